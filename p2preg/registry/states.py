"""The declared states of a Media Node and the moves between them (docs/rpc.md, Media Nodes)."""

from __future__ import annotations

from p2preg.base.errors import Refused

STARTING, SERVING, CORDONED, DRAINING, STOPPING, STOPPED = (
    "starting",
    "serving",
    "cordoned",
    "draining",
    "stopping",
    "stopped",
)

STATES = (STARTING, SERVING, CORDONED, DRAINING, STOPPING, STOPPED)

# Asking again for the level that already holds is allowed: it replaces deadline, reason and successors.
DRAIN_FROM = {
    CORDONED: (SERVING, CORDONED),
    DRAINING: (SERVING, CORDONED, DRAINING),
    STOPPING: (DRAINING, STOPPING),
}
RESUME_FROM = (STARTING, CORDONED, DRAINING, SERVING)


def check_move(state: str, wanted: str, allowed_from: tuple[str, ...]) -> None:
    """`node.bad_transition` unless `wanted` may follow `state`."""
    if state not in allowed_from:
        raise Refused(
            -32002,
            "node.bad_transition",
            f"{wanted} follows {' or '.join(allowed_from)}; the node is {state}",
            state=state,
            wanted=wanted,
        )


def state_on_register(current: str | None, asked: str | None) -> str:
    """The state after a registration: kept, except that a first one and one after `stopped` start anew."""
    if current is None or current == STOPPED:
        return asked or SERVING
    return current
