"""The table of fuzz targets. A target is a module with `one_input(data)`, whose docstring is its invariant."""

from __future__ import annotations

from collections.abc import Callable

from fuzz import batch, cbor, cell, envelope, filter, filter_text, frames, jsonrpc, messages, node, nodes

TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames.one_input,
    "cbor": cbor.one_input,
    "envelope": envelope.one_input,
    "messages": messages.one_input,
    "cell": cell.one_input,
    "batch": batch.one_input,
    "node": node.one_input,
    "nodes": nodes.one_input,
    "filter": filter.one_input,
    "filter-text": filter_text.one_input,
    "jsonrpc": jsonrpc.one_input,
}


def sentence(name: str) -> str:
    """The invariant of the target `name`, on one line."""
    return " ".join((TARGETS[name].__doc__ or "").split())
