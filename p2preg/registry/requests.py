"""From what a client sent to what a method takes: who may call, and are the params of its shape."""

from __future__ import annotations

from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.registry.methods import Method
from p2preg.registry.sessions import Session


def check_access(session: Session, method: Method) -> None:
    """`auth.required` unless the session has done what the method asks for."""
    if method.access == "greeted" and not session.greeted:
        raise Refused(-32001, "auth.required", "session.hello comes first: it gives the nonce to sign")
    if method.access == "authenticated" and not session.authenticated:
        raise Refused(-32001, "auth.required", f"{method.name} needs session.authenticate first, in either role")
    if method.access == "node" and not session.proofs:
        raise Refused(-32001, "auth.required", f"{method.name} needs session.authenticate with role node first")


def read_params(method: Method, given: Any) -> Any:
    """The method's params struct; -32602 with the path of what is wrong."""
    if isinstance(given, list):
        names = method.params.__struct_fields__
        if len(given) > len(names):
            raise Refused(-32602, "params.invalid", f"{method.name} takes at most {len(names)} params", path="$")
        given = dict(zip(names, given, strict=False))
    try:
        return msgspec.convert({} if given is None else given, method.params)
    except msgspec.ValidationError as error:
        raise _invalid_params(error) from None


def _invalid_params(error: msgspec.ValidationError) -> Refused:
    text, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    if "unknown field `" in text:
        path = f"{path}.{text.split('`')[1]}"
    return Refused(-32602, "params.invalid", f"{path}: {text}", path=path)


def invalid_params(path: str, message: str) -> Refused:
    """-32602, with where in the params it is."""
    return Refused(-32602, "params.invalid", message, path=path)
