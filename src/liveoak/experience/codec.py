"""Records as text and bytes, and back without loss.

Nested records are JSON, read strictly: a key or type that the record does not know is a damaged store. Token ids are
little-endian int32 and log-probabilities little-endian float64, 12 bytes a token, about half of what JSON takes.
float32 would save 4 of them but not give every float back bit for bit, which replay and idempotence stand on.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from liveoak.errors import StorageError, UserError

T = TypeVar("T")


class JsonCodec(Generic[T]):
    """JSON text of one type of record."""

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._name = getattr(kind, "__name__", str(kind))

    def encode(self, record: T) -> str:
        """
        Raises:
            UserError: a field is not of its declared type.
        """
        try:
            # json and not pydantic writes the text: pydantic would turn NaN and infinity, which a diverged lesson
            # measures, into null.
            plain = self._adapter.dump_python(record, warnings="error")
        except PydanticSerializationError as error:
            raise UserError(
                f"{self._name} {record!r} cannot be recorded: {error}; every field takes its type"
            ) from None
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))

    def decode(self, text: str) -> T:
        """
        Raises:
            StorageError: the text is not JSON of this type.
        """
        try:
            return self._adapter.validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in problem["loc"]) or "the whole"
            raise StorageError(
                f"stored {self._name} is damaged: {where}: {problem['msg']}; restore the store from a copy"
            ) from None


def pack_ids(ids: tuple[int, ...]) -> bytes:
    """
    Raises:
        UserError: an id below 0 or above 2**31 - 1.
    """
    for number in ids:
        if not 0 <= number < 2**31:
            raise UserError(f"token id {number!r} cannot be recorded: expected 0 to {2**31 - 1}")
    return struct.pack(f"<{len(ids)}i", *ids)


def unpack_ids(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{_whole(data, 4)}i", data)


def pack_floats(values: tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def unpack_floats(data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{_whole(data, 8)}d", data)


def _whole(data: bytes, size: int) -> int:
    if len(data) % size:
        raise StorageError(
            f"stored token array is damaged: {len(data)} bytes, expected a multiple of {size}; restore the store"
        )
    return len(data) // size
