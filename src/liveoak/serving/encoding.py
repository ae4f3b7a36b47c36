"""Records as JSON. One codec for every answer, so that a record has the same fields at every door."""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def as_json(record: Any) -> Any:
    """Plain JSON values of a record (or a list of them), field names as in the record."""
    return _ANYTHING.dump_python(record, mode="json")


def json_text(value: Any) -> str:
    """JSON in ASCII: a lone surrogate in somebody's text must not break the answer that quotes it.

    JSON knows no NaN or infinity, which a diverged lesson measures: they become null.
    """
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


class JSONReply(Response):
    """An HTTP answer of JSON values."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_text(content).encode("ascii")


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case _:
            return value
