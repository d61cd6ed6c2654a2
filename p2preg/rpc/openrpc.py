"""The OpenRPC 1.3 document (spec.open-rpc.org), made from the table of methods and the structs that judge calls."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from p2preg import __version__
from p2preg.registry.limits import MESSAGE_BYTES_MAX
from p2preg.registry.methods import METHODS, NOTIFICATIONS, Method

_ERRORS = {
    -32001: "Not authenticated, or not by this key, here, now: auth.*",
    -32002: "No such node or subscription, or not in this state: node.*, subscription.*",
    -32003: "The signed advert is not acceptable: cell.*",
    -32004: "The filter, page token or sketch is not acceptable: filter.*, page.*, sketch.*",
    -32005: "A limit of this registry: limit.*",
    -32006: "This registry cannot now: registry.*",
    -32602: "The params are not acceptable: data.path and the message say which and why",
}


@cache
def document() -> dict[str, Any]:
    """What `rpc.discover` returns."""
    structs = [method.params for method in METHODS.values()]
    results = [method.result for method in METHODS.values()]
    schemas, components = msgspec.json.schema_components(
        [*structs, *results], ref_template="#/components/schemas/{name}"
    )
    params = dict(zip(METHODS, schemas[: len(structs)], strict=True))
    shown = dict(zip(METHODS, schemas[len(structs) :], strict=True))
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "p2preg",
            "version": __version__,
            "description": "A registry of media nodes that many operators run together. JSON-RPC 2.0 over websocket, "
            f"text frames of at most {MESSAGE_BYTES_MAX} bytes. Notifications from the registry: "
            + " ".join(f"{name}: {text}" for name, text in NOTIFICATIONS.items()),
        },
        "methods": [
            _method(method, params[name], shown[name], components) for name, method in METHODS.items()
        ],
        "components": {
            "schemas": components,
            "errors": {str(code): {"code": code, "message": text} for code, text in _ERRORS.items()},
        },
    }


def _method(method: Method, params: Any, result: Any, components: dict[str, Any]) -> dict[str, Any]:
    struct = components[params["$ref"].rpartition("/")[2]]
    required = set(struct.get("required", ()))
    properties = struct.get("properties", {})
    return {
        "name": method.name,
        "summary": method.summary,
        "description": f"Access: {method.access}.",
        "paramStructure": "either",
        "params": [
            {"name": name, "schema": schema, "required": name in required} for name, schema in properties.items()
        ],
        "result": {"name": "result", "schema": result},
        "errors": [{"$ref": f"#/components/errors/{code}"} for code in _ERRORS],
    }
