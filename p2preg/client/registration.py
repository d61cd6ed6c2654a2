"""One Media Node in one session: authenticate, register or renew, say its state; and again when the registry asks for
a better clock or a greater seq. It keeps no connection and no time: that is `media_node`'s part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from p2preg.client.advert import Advertiser, check_attributes
from p2preg.client.errors import RpcError
from p2preg.client.proving import Proof, Prover
from p2preg.client.replies import Registered, Renewed, State, read
from p2preg.client.session import Session

DESCRIPTIONS_MAX = 3  # adverts offered in one go: a clock that was off, a seq that was seen, and the refusal stands
PROOF_FRESH_MS = 300_000  # a register with an older proof gets a new one first; the contract's limit is 10 min
SERVING = "serving"


@dataclass(frozen=True, slots=True)
class Declared:
    """A state that the node declared: `serving`, or a level of drain with its details."""

    state: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Identity:
    """What a node takes from registry to registry: its key, its description, and the seqs of both."""

    def __init__(self, prover: Prover, attributes: Mapping[str, Any], *, signed: bool, starting: bool) -> None:
        check_attributes(attributes)
        self.prover = prover
        self.node_id = prover.key.public.hex()
        self.signed = signed
        self.starting = starting
        self.attributes = dict(attributes)
        self.advertiser = Advertiser(prover.key, attributes) if signed else None
        self.registered = False
        self.declared: Declared | None = None

    def describe(self, attributes: Mapping[str, Any]) -> None:
        check_attributes(attributes)
        if self.advertiser is not None:
            self.advertiser.describe(attributes)
        self.attributes = dict(attributes)


class Registration:
    """The node's dealings with one registry."""

    def __init__(self, session: Session, identity: Identity) -> None:
        self.session = session
        self._identity = identity
        self._proved_ms = 0
        self.state: str | None = None
        self.expires_ms = 0
        self.advert_expires_ms = 0
        self.renew_after = 0.0
        self.warnings: list[str] = []
        self.outcome = ""

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self.session.call(method, {"node_id": self._identity.node_id, **params})

    async def begin(self) -> None:
        """Make this registry the node's home: by renewal if it is registered somewhere and known here."""
        await self._authenticate()
        if self._identity.registered:
            try:
                await self.renew()
                return
            except RpcError as error:
                if error.reason != "node.unknown":
                    raise
        await self.register()

    async def _authenticate(self) -> None:
        await self.session.authenticate(self._identity.prover, "node")
        self._proved_ms = self.session.now_ms()

    async def register(self) -> None:
        """Give the description, with a fresh proof of presence."""
        if self.session.now_ms() - self._proved_ms > PROOF_FRESH_MS:
            await self._authenticate()
        for remaining in reversed(range(DESCRIPTIONS_MAX)):
            try:
                result = await self.call("node.register", self._description())
                break
            except RpcError as error:
                if not remaining or not await self._improve(error):
                    raise
        registered = read(result, Registered, f"{self.session.url}: node.register")
        self._identity.registered = True
        self.state = registered.state
        self.outcome = registered.outcome
        self.warnings = registered.warnings
        self._holds(registered)

    def _description(self) -> dict[str, Any]:
        identity = self._identity
        if identity.advertiser is None:
            params: dict[str, Any] = {"attributes": identity.attributes}
        else:
            params = {"advert": identity.advertiser.advert(self.session.hello.network, self.session.now_ms())}
        if identity.starting and identity.declared is None:
            params["state"] = "starting"
        return params

    async def _improve(self, error: RpcError) -> bool:
        """Whether what the registry refused can be made better."""
        if error.reason == "auth.stale":
            await self._authenticate()
            return True
        advertiser = self._identity.advertiser
        if advertiser is None:
            return False
        if error.reason == "cell.stale" and type(error.data.get("current_seq")) is int:
            advertiser.renew(above=error.data["current_seq"])
        elif error.reason in ("cell.too_far_ahead", "cell.expired"):
            self.session.set_clock(error.data.get("time_ms"))
            advertiser.renew()
        else:
            return False
        return True

    async def renew(self) -> None:
        """A new proof of presence; the lease goes on from it."""

        async def attempt(proof: Proof) -> Any:
            return await self.call("node.renew", {"seq": proof.seq, "signature": proof.signature})

        result = await self.session.proving(self._identity.prover, "node", attempt)
        self._proved_ms = self.session.now_ms()
        self.outcome = "renewed"
        self._holds(read(result, Renewed, f"{self.session.url}: node.renew"))

    async def refresh(self) -> None:
        """What the lease needs from time to time: a renewal, or a new advert with a new proof."""
        advertiser = self._identity.advertiser
        if advertiser is not None and advertiser.is_due(self.advert_expires_ms, self.session.now_ms()):
            advertiser.renew(above=0)
            await self._authenticate()
            await self.register()
            return
        try:
            await self.renew()
        except RpcError as error:
            if error.reason != "node.unknown":
                raise
            await self._authenticate()
            await self.register()

    def _holds(self, result: Registered | Renewed) -> None:
        self.expires_ms = result.lease.expires_ms
        self.renew_after = result.lease.renew_after_s
        self.advert_expires_ms = result.advert_expires_ms

    async def declare(self, wanted: Declared) -> str:
        """Tell the home the node's state; the state that then stands."""
        if wanted.state == SERVING:
            result = await self.call("node.resume", {})
        else:
            result = await self.call("node.drain", {"level": wanted.state, **wanted.details})
        self.state = read(result, State, f"{self.session.url}: the node's state").state
        return self.state

    async def restore(self) -> None:
        """See to it that a new home knows the state that the last one acknowledged: it may not have spread before that
        one was lost."""
        wanted = self._identity.declared
        if wanted is None or wanted.state == SERVING == self.state:
            return
        try:
            await self.declare(wanted)
        except RpcError as error:
            if error.reason != "node.bad_transition" or wanted.state != "stopping":
                raise
            await self.declare(Declared("draining", wanted.details))
            await self.declare(wanted)
