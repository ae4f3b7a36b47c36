"""Every failure leaves as an OpenAI error body: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from liveoak.errors import LiveoakError, Unavailable
from liveoak.serving.encoding import JSONReply

_LOG = logging.getLogger(__name__)
_LONGEST_QUOTE = 120


def error_body(status: int, message: str, *, code: str, param: str | None = None) -> dict[str, Any]:
    kind = "rate_limit_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def body_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of any exception. A fault nobody foresaw is logged and told without its inside."""
    if isinstance(error, LiveoakError):
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
        return error.status, error_body(error.status, str(error), code=name)
    _LOG.error("unforeseen failure", exc_info=error)
    message = f"an unforeseen failure ({type(error).__name__}); the server's log has the traceback"
    return 500, error_body(500, message, code="liveoak_error")


def _answer(status: int, body: dict[str, Any], extra: dict[str, str] | None = None) -> JSONReply:
    # The openai client retries 409 and every 5xx unless told; only waiting can mend these two.
    headers = {"x-should-retry": "true" if status in (429, 503) else "false", **(extra or {})}
    if status in (429, 503):
        headers["retry-after"] = "1"
    return JSONReply(body, status_code=status, headers=headers)


async def _known(_: Request, error: Exception) -> JSONReply:
    status, body = body_of(error)
    return _answer(status, body)


async def _http(_: Request, error: Exception) -> JSONReply:
    error = cast(HTTPException, error)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return _answer(
        error.status_code, error_body(error.status_code, str(error.detail), code=code), dict(error.headers or {})
    )


async def _invalid(_: Request, error: Exception) -> JSONReply:
    problem = cast(RequestValidationError, error).errors()[0]
    if problem["type"] == "json_invalid":
        why = problem.get("ctx", {}).get("error", "")
        message = f"the body is not valid JSON: {why} at character {problem['loc'][-1]}"
        return _answer(400, error_body(400, message, code="invalid_json"))
    param = _dotted(problem["loc"][1:]) or None
    given = repr(problem.get("input"))
    given = given if len(given) <= _LONGEST_QUOTE else given[:_LONGEST_QUOTE] + "..."
    where = f"{param} = {given}" if param else "the body"
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        said = "unknown field; remove it, or check its spelling against /docs"
    elif problem["type"] == "missing":
        where, said = f"{param or 'the body'}", "required, but missing"
    if not param and problem["type"] in ("missing", "model_attributes_type"):
        where, said = "the body", "expected a JSON object, sent with Content-Type: application/json"
    return _answer(400, error_body(400, f"{where}: {said}", code="invalid_value", param=param))


def _dotted(location: tuple[Any, ...] | list[Any]) -> str:
    """`("messages", 0, "role")` as `messages[0].role`."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return parts.removeprefix(".")


def stopped_early() -> Unavailable:
    return Unavailable(
        "the reply was cancelled before it was complete: the server is stopping, or it was not read; ask again"
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(LiveoakError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _known)
