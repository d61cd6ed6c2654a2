"""Which parts of a node a client asked for: `fields` of docs/rpc.md, top-level or dotted names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.registry.attributes import Attributes
from p2preg.registry.directory import Entry, shown_entry

ALWAYS = ("node_id", "version")
_OWN = ("attested_by", "state", "contact", "allocatable", "home", "drain", "load", "load_age_s", "qos")
KNOWN = frozenset((*ALWAYS, *_OWN, *Attributes.__struct_fields__))


@dataclass(frozen=True, slots=True)
class Projection:
    """The asked parts; None is everything."""

    names: tuple[tuple[str, ...], ...] | None

    @property
    def with_load(self) -> bool:
        """Whether a change of load alone is worth an update (only when asked for by name)."""
        return self._names("load") or self._names("load_age_s")

    @property
    def with_qos(self) -> bool:
        return self._names("qos")

    def _names(self, head: str) -> bool:
        return self.names is not None and any(name[0] == head for name in self.names)

    def apply(self, entry: Entry, now: float) -> Any:
        """The asked parts of `entry` for the JSON encoder; what it does not have is left out."""
        encoded = shown_entry(entry, now)
        if self.names is None:
            return encoded
        whole = msgspec.json.decode(encoded)
        shown = {name: whole[name] for name in ALWAYS}
        for name in self.names:
            _copy(whole, shown, name)
        return shown


def parse_projection(fields: Sequence[str] | None) -> Projection:
    """Read `fields`; an unknown name is an error, since a typing mistake would otherwise look like missing data."""
    if fields is None:
        return Projection(None)
    names = [tuple(field.split(".")) if not field.startswith("labels.") else ("labels", field[7:]) for field in fields]
    for position, name in enumerate(names):
        if name[0] not in KNOWN:
            known = ", ".join(sorted(KNOWN))
            raise Refused(
                -32602,
                "params.invalid",
                f"unknown field {fields[position]!r}; there are {known}",
                path=f"$.fields[{position}]",
            )
    return Projection(tuple(dict.fromkeys(names)))


def _copy(source: Any, target: dict[str, Any], name: tuple[str, ...]) -> None:
    head, *rest = name
    if not isinstance(source, dict) or head not in source:
        return
    value = source[head]
    if not rest:
        target[head] = value
    elif isinstance(value, dict):
        inner = target.setdefault(head, {})
        if inner is not value:
            _copy(value, inner, tuple(rest))
    elif isinstance(value, list):
        kept = [{rest[0]: item[rest[0]]} for item in value if isinstance(item, dict) and rest[0] in item]
        before = target.get(head)
        if before is None:
            target[head] = kept
        elif before is not value and len(before) == len(kept):
            target[head] = [old | new for old, new in zip(before, kept, strict=True)]
