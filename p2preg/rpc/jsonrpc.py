"""JSON-RPC 2.0 (jsonrpc.org/specification) as text: requests out of it, responses into it. No I/O.

Total: any text gives requests, or the errors to answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.registry.limits import BATCH_MAX

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INTERNAL_ERROR = -32700, -32600, -32601, -32603

Id = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `params`: an object, an array, or None. A notification has no id and is never answered; an id that
    is null is an id."""

    id: Id
    method: str
    params: Any
    is_notification: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is no request, and the error to answer with."""

    id: Id
    error: Refused


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a text holds. A batch is answered by one array, and not at all when nothing in it wants an answer."""

    items: tuple[Request | Malformed, ...]
    is_batch: bool


def decode(text: str | bytes) -> Incoming:
    """Read one message."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return _single(Malformed(None, Refused(PARSE_ERROR, "json.invalid", f"JSON was expected: {error}")))
    if not isinstance(value, list):
        return Incoming((_read(value),), is_batch=False)
    if not value:
        return _single(Malformed(None, _invalid("a batch holds at least one request")))
    if len(value) > BATCH_MAX:
        return _single(Malformed(None, _invalid(f"a batch holds at most {BATCH_MAX} requests, got {len(value)}")))
    return Incoming(tuple(_read(item) for item in value), is_batch=True)


def _single(item: Malformed) -> Incoming:
    return Incoming((item,), is_batch=False)


def _read(value: object) -> Request | Malformed:
    if not isinstance(value, dict):
        return Malformed(None, _invalid("a request is an object"))
    known = value.get("id")
    if known is not None and type(known) not in (str, int, float):
        return Malformed(None, _invalid("id is a string, a number or null"))
    if value.get("jsonrpc") != "2.0":
        return Malformed(known, _invalid('jsonrpc must be "2.0"'))
    method, params = value.get("method"), value.get("params")
    if not isinstance(method, str):
        return Malformed(known, _invalid("method is a string"))
    if params is not None and not isinstance(params, dict | list):
        return Malformed(known, _invalid("params are an object or an array"))
    return Request(known, method, params, is_notification="id" not in value)


def _invalid(text: str) -> Refused:
    return Refused(INVALID_REQUEST, "request.invalid", text)


def success(identity: Id, result: Any) -> bytes:
    """The response with a result."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "result": result})


def failure(identity: Id, error: Refused) -> bytes:
    """The response with an error."""
    body = {"code": error.code, "message": error.message, "data": error.data}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "error": body})


def notification(method: str, params: Any) -> bytes:
    """A message from the registry that wants no answer."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params})
