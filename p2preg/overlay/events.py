"""What the overlay hears and says beyond the events and effects that all cores share."""

from __future__ import annotations

from msgspec import Struct


class Member(Struct, frozen=True):
    """An event: the registry `peer` is known and can be dialled. `prefix`: the /24 or /48 of its endpoint, as text;
    empty for what is exempt from diversity (loopback). Sent anew when the endpoint changes, and in answer to each
    good cell of a `Learned`, known or not: a newcomer's walk ends with it. `region`: where its operator says that it
    is, perhaps empty; only a hint whom to measure first."""

    peer: bytes
    prefix: str
    region: str = ""


class MemberGone(Struct, frozen=True):
    """An event: `peer` is no longer known. A link to it may still stand, and stays a neighbour's as long as it does."""

    peer: bytes


class Learned(Struct, frozen=True):
    """An effect: `peer` sent these registry cells, unopened. The node verifies them and answers with `Member`s."""

    cells: tuple[bytes, ...]
    peer: bytes
