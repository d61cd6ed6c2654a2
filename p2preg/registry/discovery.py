"""Answers to who is out there: get, list, facets, explain. Reads the directory, changes nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from pyroaring import BitMap

from p2preg.base.errors import Refused
from p2preg.index.filter import ALLOCATABLE, LIVE, And, Filter, canonical, parse_filter
from p2preg.index.match import explain
from p2preg.index.order import PageKey
from p2preg.index.select import Place, Probe, SelectRequest, select
from p2preg.registry import params, results
from p2preg.registry.directory import Directory, Entry, shown_entry
from p2preg.registry.homes import Homes
from p2preg.registry.limits import PAGE_TOKENS_SECONDS
from p2preg.registry.projection import parse_projection
from p2preg.registry.units import to_micro
from p2preg.wire import cbor

if TYPE_CHECKING:
    from random import Random

_INCLUDES: dict[str, Filter | None] = {"allocatable": ALLOCATABLE, "live": LIVE, "all": None}


class Discovery:
    """The reading half of the contract."""

    def __init__(
        self, directory: Directory, homes: Homes, freshness: Callable[[float], results.Freshness], rng: Random
    ) -> None:
        self._directory = directory
        self._homes = homes
        self._freshness = freshness
        self._rng = rng
        self._tokens = PageTokens(rng.randbytes(16))

    def get(self, request: params.Get, now: float, now_ms: int) -> results.Nodes:
        projection = parse_projection(request.fields)
        nodes, missing = [], []
        for node_id in dict.fromkeys(request.node_ids):
            entry = self._directory.get(bytes.fromhex(node_id))
            if entry is None:
                missing.append(node_id)
            else:
                nodes.append(projection.apply(entry, now))
        return results.Nodes(nodes=nodes, missing=missing, freshness=self._freshness(now))

    def page(self, request: params.List, now: float, now_ms: int) -> results.Nodes:
        projection = parse_projection(request.fields)
        query = parse_optional(request.filter)
        after = self._tokens.read(query, request, now_ms)
        rows = self._rows(query, request.include)
        node_ids, next_key = self._directory.index.page(rows, request.sort, after, request.limit)
        entries = [self._entry(node_id) for node_id in node_ids]
        token = self._tokens.write(next_key, query, request, now_ms) if next_key is not None else None
        nodes = [projection.apply(entry, now) for entry in entries]
        return results.Nodes(
            nodes=nodes, total=len(rows), next_page_token=token or UNSET, freshness=self._freshness(now)
        )

    def select(self, request: params.Select, now: float, now_ms: int) -> results.Selected:
        rng = self._rng if request.seed is None else type(self._rng)(request.seed)
        wanted = SelectRequest(
            filter=parse_optional(request.filter),
            count=request.count,
            policy=request.policy,
            near=_near(request.near),
            exclude=tuple(bytes.fromhex(node_id) for node_id in request.exclude),
            spread_by=request.spread_by,
            relax=tuple(request.relax),
        )
        found = select(self._directory.index, wanted, rng)
        candidates = [
            results.Candidate(node=shown_entry(self._entry(each.node_id), now), reasons=list(each.reasons))
            for each in found.candidates
        ]
        return results.Selected(
            candidates=candidates,
            relaxed=list(found.relaxed),
            reasons=[{"predicate": each.predicate, "excluded": each.excluded} for each in found.reasons],
            freshness=self._freshness(now),
        )

    def facets(self, request: params.Facets, now: float, now_ms: int) -> results.FacetCounts:
        rows = self._rows(parse_optional(request.filter), request.include)
        return results.FacetCounts(total=len(rows), facets=self._directory.index.facets(rows, request.by))

    def explain(self, request: params.Explain, now: float, now_ms: int) -> results.Explained:
        node_id = bytes.fromhex(request.node_id)
        entry = self._directory.get(node_id)
        if entry is None:
            raise Refused(-32002, "node.unknown", f"no lease and description of {request.node_id} are held here")
        query = parse_optional(request.filter)
        asked = ALLOCATABLE if query is None else And((ALLOCATABLE, query))
        checks = explain(asked, self._directory.index.fields_of(node_id) or {})
        return results.Explained(
            node_id=request.node_id,
            contact=entry.contact,
            state=entry.state,
            allocatable=entry.allocatable,
            reasons=[*self._contact_reasons(entry), *_state_reasons(entry), *_check_reasons(checks)],
            seen_by=self._seen_by(entry, now, now_ms),
            checks=[
                results.Check(predicate=c.predicate, passed=c.passed, value=c.value, wanted=c.wanted) for c in checks
            ],
        )

    def counts(self) -> results.NodeCounts:
        """How many nodes are in which contact."""
        index = self._directory.index
        contacts = dict.fromkeys(("live", "suspect", "unknown", "expired"), 0)
        contacts.update(index.facets(index.search(None), ["contact"])["contact"])
        return results.NodeCounts(**contacts, total=len(self._directory))

    def _rows(self, query: Filter | None, include: str) -> BitMap:
        index = self._directory.index
        base = _INCLUDES[include]
        within = index.search(base) if base is not None else None
        return index.search(query, within)

    def _entry(self, node_id: bytes) -> Entry:
        entry = self._directory.get(node_id)
        assert entry is not None, "the index and the entries hold the same nodes"
        return entry

    def _contact_reasons(self, entry: Entry) -> list[str]:
        home = entry.home.hex()[:8]
        if entry.contact == "suspect":
            return [f"suspect: its home {home} has lost its socket"]
        if entry.contact == "expired":
            return [f"expired: its home {home} has written that it is gone"]
        if entry.contact == "unknown" and self._homes.epoch(entry.home) > entry.lease.epoch:
            return [f"unknown: its home {home} has restarted, and the node has not attached again"]
        if entry.contact == "unknown":
            return [f"unknown: its home {home} is not heard here; the node itself may be well"]
        return []

    def _seen_by(self, entry: Entry, now: float, now_ms: int) -> dict[str, Any]:
        age = self._homes.heartbeat_age(entry.home, now)
        return {
            "registry_id": self._homes.own.hex(),
            "home": entry.home.hex(),
            "home_heard": self._homes.heard(entry.home, now),
            "home_heartbeat_age_s": None if age is None else round(age, 3),
            "home_epoch": self._homes.epoch(entry.home),
            "lease_epoch": entry.lease.epoch,
            "lease_expires_ms": entry.lease_end_ms,
            "proof_ms": entry.lease.proof.seq,
            "attested_by": entry.attested_by,
            "time_ms": now_ms,
        }


def _near(near: params.Near | None) -> Place | tuple[Probe, ...] | None:
    """A place in replicated units, or probes; -32602 for half a place, or both."""
    if near is None:
        return None
    place = near.latitude is not None and near.longitude is not None
    if near.probes is not None and near.latitude is None and near.longitude is None:
        return tuple(
            Probe(bytes.fromhex(probe.node_id), to_micro(probe.round_trip_time_s)) for probe in near.probes
        )
    if not place or near.probes is not None:
        raise Refused(
            -32602, "params.invalid", "near: latitude with longitude was expected, or probes", path="$.near"
        )
    return Place(to_micro(near.latitude or 0.0), to_micro(near.longitude or 0.0))


def parse_optional(tree: dict[str, Any] | None) -> Filter | None:
    """The filter, if there is one."""
    return None if tree is None else parse_filter(tree)


def _state_reasons(entry: Entry) -> list[str]:
    if entry.state == "serving":
        return []
    said = f" ({entry.lease.reason})" if entry.lease.reason else ""
    return [f"{entry.state}: declared by the node{said}"]


def _check_reasons(checks: Any) -> list[str]:
    return [
        f"{check.predicate}: wanted {check.wanted!r}, has {check.value!r}"
        for check in checks[2:]  # the first two are state and contact, which have their own words
        if not check.passed
    ]


class PageTokens:
    """Tokens that only this process can have made, so that what is in them needs no further judging."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, key: PageKey, query: Filter | None, request: params.List, now_ms: int) -> str:
        values = [[] if value is None else [value] for value in key.values]
        content = cbor.encode([now_ms, values, key.node_id])
        return base64.urlsafe_b64encode(self._mac(content, query, request) + content).rstrip(b"=").decode()

    def read(self, query: Filter | None, request: params.List, now_ms: int) -> PageKey | None:
        """The key in the request's token, if it has one; `page.expired` for another request's, an old or a made-up
        one."""
        token = request.page_token
        if token is None:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise _page_expired() from None
        if raw[:16] != self._mac(raw[16:], query, request):
            raise _page_expired()
        issued_ms, values, node_id = cbor.decode(raw[16:])
        if not 0 <= now_ms - issued_ms <= PAGE_TOKENS_SECONDS * 1000:
            raise _page_expired()
        return PageKey(tuple(value[0] if value else None for value in values), node_id)

    def _mac(self, content: bytes, query: Filter | None, request: params.List) -> bytes:
        bound = [content, canonical(query) if query else b"", request.include, list(map(list, request.sort))]
        return hashlib.blake2b(cbor.encode(bound), key=self._secret, digest_size=16).digest()


def _page_expired() -> Refused:
    return Refused(
        -32004,
        "page.expired",
        f"the page token is not of this filter, sort and include, or older than {PAGE_TOKENS_SECONDS:.0f} s: "
        "begin at the first page",
    )
