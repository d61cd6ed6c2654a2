"""A place that is asked for, by us or by a peer, and what for."""

from __future__ import annotations

from dataclasses import dataclass

PRIORITY_NORMAL = 0  # declined when the receiver's view is full
PRIORITY_ALONE = 1  # the sender has no other: never declined, somebody gives way
PRIORITY_RING = 2  # the receiver is one of the sender's two sides; a place beside the active view
PRIORITY_NEAR = 3  # the receiver is near the sender: one of the places of the active view that are for such


@dataclass(slots=True)
class Request:
    """`asked`: by us. `join`: sent as a Join. `invited`: a newcomer's walk chose the peer. `forced`: a neighbour gives
    way when the view is full. `deadline`: monotonic seconds, for the link and then for the answer. `sent`: over a
    link that is up."""

    priority: int
    deadline: float = 0.0
    asked: bool = False
    join: bool = False
    invited: bool = False
    forced: bool = False
    sent: bool = False

    @property
    def fills_place(self) -> bool:
        """Whether it was made to fill a free place of the active view."""
        return self.priority not in (PRIORITY_RING, PRIORITY_NEAR) and not self.invited


def merged(ours: Request | None, priority: int) -> Request:
    """A peer's request of `priority`. If it crosses one of ours, both ends see both and treat them as one: the ring's
    if either is, else forced if either is alone, else for a near place if either is."""
    request = ours or Request(PRIORITY_NORMAL)
    request.forced = request.forced or PRIORITY_ALONE in (priority, request.priority)
    request.asked = request.asked and request.priority == PRIORITY_RING
    priorities = (priority, request.priority)
    if PRIORITY_RING in priorities:
        request.priority = PRIORITY_RING
    else:
        request.priority = PRIORITY_NEAR if PRIORITY_NEAR in priorities and not request.forced else PRIORITY_NORMAL
    return request
