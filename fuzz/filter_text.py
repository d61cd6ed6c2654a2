"""Target: the command line's way to write a filter."""

from __future__ import annotations

from fuzz.filter import check_refusal
from p2preg.base.errors import Refused
from p2preg.index.filter import parse_filter
from p2preg.index.text import parse_text


def one_input(data: bytes) -> None:
    """Any text is a tree that the RPC contract accepts as a filter, or refused with -32004 and a position."""
    try:
        tree = parse_text(data.decode(errors="replace"))
    except Refused as error:
        check_refusal(error)
        return
    parse_filter(tree)
