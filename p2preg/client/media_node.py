"""A Media Node's place in the network, for as long as it runs: registered somewhere, renewed, moved when its home goes
away, and gone from everywhere when it leaves (docs/rpc.md, Media Nodes)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any

import trio

from p2preg.client.attachment import Attachment
from p2preg.client.config import DEFAULT, ClientConfig
from p2preg.client.errors import (
    CallTimeout,
    CannotConnect,
    ClientError,
    ConnectionLost,
    Displaced,
    NotRunning,
    RpcError,
    Untrusted,
)
from p2preg.client.failover import Failover
from p2preg.client.nursery import open_flat_nursery
from p2preg.client.proving import Prover, unix_ms
from p2preg.client.registration import SERVING, Declared, Identity, Registration
from p2preg.client.session import AGENT, Session, open_session
from p2preg.crypto.keys import IdentityKey

LEAVE_SECONDS = 3.0  # for the goodbye; then the socket closes, and the home finds out by itself
LOAD_LIFE_MS = 120_000  # an older load is not repeated to a new home
# No other registry of the network would judge these otherwise: they are about what the node says, not about who hears.
FATAL_REASONS = ("cell.too_large", "cell.not_canonical", "cell.bad_signature", "cell.wrong_kind")
INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A fact, and where: `url`, `registry_id`. `kind`: connecting; created, updated, unchanged (registered, with that
    outcome), renewed; confirmed, unconfirmed (by a second registry); isolated, moving, lost, unreachable, refused,
    warning; declared, left, displaced."""

    kind: str
    url: str
    registry_id: str | None
    detail: str


class MediaNode:
    """Registers and keeps registered. Either `async with MediaNode(...) as node:`, which leaves at the end of the
    block, or `await node.run()`, which ends after `leave()`.

    `attributes`: as in docs/rpc.md. `registries`: URLs, tried in order; those that they tell of come after. `signed`:
    the node signs its description itself. `starting`: do not serve before `resume()`. A node that is cancelled does not
    leave: its home sees the socket close and calls it suspect, then gone.
    """

    def __init__(
        self,
        key: IdentityKey,
        attributes: Mapping[str, Any],
        *,
        registries: Sequence[str],
        signed: bool = True,
        starting: bool = False,
        on_event: Callable[[NodeEvent], None] | None = None,
        tls: ssl.SSLContext | None = None,
        agent: str = AGENT,
        config: ClientConfig = DEFAULT,
        rng: Random | None = None,
    ) -> None:
        """`ConfigError` for attributes or URLs that cannot be."""
        self._identity = Identity(Prover(key), attributes, signed=signed, starting=starting)
        self._failover = Failover(registries, rng or Random())
        self._on_event = on_event
        self._tls = tls
        self._agent = agent
        self._config = config
        self._network: str | None = None
        self._session: Session | None = None
        self._attachment: Attachment | None = None
        self._load: dict[str, Any] | None = None
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._ended = False
        self._stack = AsyncExitStack()
        self.state: str | None = None

    def __repr__(self) -> str:
        where = f"at {self.url}" if self.attached else "not attached"
        return f"MediaNode[{self.node_id[:8]} {self.state or 'new'} {where}]"

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        return self._identity.node_id

    @property
    def attached(self) -> bool:
        """Whether a registry is its home right now."""
        return self._attachment is not None

    @property
    def registry_id(self) -> str | None:
        """Its home; None while it has none."""
        return self._attachment.registration.session.registry_id if self._attachment else None

    @property
    def url(self) -> str | None:
        """Where its home was dialled."""
        return self._attachment.registration.session.url if self._attachment else None

    async def wait_attached(self) -> None:
        """Until it has a home. `NotRunning` when it has ended."""
        await self._attached()

    # --- running --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `leave()`. Raises `Displaced` when another process uses the key, and `RpcError` when what the node says
        of itself is refused."""
        try:
            with self._scope:
                while True:
                    await self._visit(self._failover.candidates.current)
                    await self._failover.next()
        finally:
            self._ended = True
            self._set_attachment(None)

    async def __aenter__(self) -> MediaNode:
        nursery = await self._stack.enter_async_context(open_flat_nursery())
        nursery.start_soon(self.run)
        self._stack.push_async_exit(self._leave_at_end)  # on the stack, so that the nursery is left though it fails
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if isinstance(error, NotRunning):  # of what ended it, `run` itself tells more
            return await self._stack.__aexit__(None, None, None)
        return await self._stack.__aexit__(kind, error, traceback)

    async def _leave_at_end(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None:
            await self.leave()

    async def _visit(self, url: str) -> None:
        """One registry, from the dialling to the end, whatever ends it."""
        self._tell("connecting", url=url)
        try:
            async with open_session(url, tls=self._tls, agent=self._agent, config=self._config) as session:
                self._session = session
                self._check_network(session)
                self._failover.candidates.learn(session.hello.peers)
                await self._settle(session)
        except Displaced as error:
            self._tell("displaced", str(error), url)
            raise
        except RpcError as error:
            self._tell("refused", str(error), url)
            if error.code == INVALID_PARAMS or error.reason in FATAL_REASONS:
                raise
        except ClientError as error:
            self._tell("unreachable" if isinstance(error, CannotConnect) else "lost", str(error), url)
        finally:
            self._session = None

    async def _settle(self, session: Session) -> None:
        registration = Registration(session, self._identity)
        await registration.begin()
        attachment = Attachment(
            self.node_id, registration, self._failover.candidates, self._tell, self._tls, self._config
        )
        self.state = registration.state or self.state
        self._tell(registration.outcome)
        for warning in registration.warnings:
            self._tell("warning", warning)
        await self._bring_up_to_date(registration)
        self._set_attachment(attachment)
        try:
            await attachment.stay()
        finally:
            self._set_attachment(None)
            self._failover.stayed(trio.current_time() - attachment.began)

    def _check_network(self, session: Session) -> None:
        """The first registry decides; one of another network would split the node in two."""
        if self._network is None:
            self._network = session.hello.network
        if session.hello.network != self._network:
            raise Untrusted(f"{session.url} is of network {session.hello.network}, not of {self._network}")

    async def _bring_up_to_date(self, registration: Registration) -> None:
        """Tell a new home what the last one knew."""
        try:
            await registration.restore()
            self.state = registration.state or self.state
            if self._load is not None and unix_ms() - self._load["measured_ms"] < LOAD_LIFE_MS:
                await registration.call("node.load", self._load)
        except RpcError as error:
            self._tell("warning", f"state and load: {error}")

    def _set_attachment(self, attachment: Attachment | None) -> None:
        self._attachment = attachment
        self._changed.set()
        self._changed = trio.Event()

    def _tell(self, kind: str, detail: str = "", url: str = "") -> None:
        if self._on_event is not None:
            session = self._session
            where = url or (session.url if session else "")
            self._on_event(NodeEvent(kind, where, session.registry_id if session else None, detail))

    # --- what its owner says --------------------------------------------------------------------------------------

    async def set_load(self, load: Mapping[str, Any]) -> None:
        """How busy it is: the load object of docs/rpc.md. Without a home just now it is told to the next one."""
        wanted = {"measured_ms": unix_ms(), **load}
        if self._attachment is not None:
            with suppress(ConnectionLost, CallTimeout):
                await self._attachment.registration.call("node.load", wanted)
        self._load = wanted

    async def drain(
        self,
        level: str = "draining",
        *,
        deadline_ms: int | None = None,
        reason: str | None = None,
        successors: Sequence[str] = (),
    ) -> str:
        """Take no new work: `cordoned`, `draining` or `stopping`. The state that then stands."""
        details = {"deadline_ms": deadline_ms, "reason": reason, "successors": list(successors) or None}
        return await self._declare(Declared(level, {name: value for name, value in details.items() if value}))

    async def resume(self) -> str:
        """Back to serving."""
        return await self._declare(Declared(SERVING))

    async def _declare(self, wanted: Declared) -> str:
        """Tell the home; if that goes away meanwhile, the next one."""
        while True:
            attachment = await self._attached()
            try:
                self.state = await attachment.registration.declare(wanted)
            except (ConnectionLost, CallTimeout):
                await self._change_from(attachment)
                continue
            self._identity.declared = wanted
            self._tell("declared", self.state)
            return self.state

    async def describe(self, attributes: Mapping[str, Any]) -> None:
        """From here on the node is described so. `ConfigError`, or `RpcError`, when that cannot be."""
        self._identity.describe(attributes)
        if self._attachment is not None:
            with suppress(ConnectionLost, CallTimeout):
                await self._attachment.registration.register()
                self._tell(self._attachment.registration.outcome)

    async def leave(self, reason: str | None = None) -> None:
        """Gone for good: every registry forgets it. `run` returns. Total, and done within a few seconds."""
        attachment = self._attachment
        if attachment is not None:
            with suppress(ClientError, trio.TooSlowError), trio.fail_after(LEAVE_SECONDS):
                await attachment.registration.call("node.leave", {"reason": reason} if reason else {})
                self.state = "stopped"
                self._tell("left")
        self._scope.cancel()

    async def _attached(self) -> Attachment:
        while self._attachment is None:
            if self._ended:
                raise NotRunning(f"node {self.node_id} has ended")
            await self._changed.wait()
        return self._attachment

    async def _change_from(self, attachment: Attachment) -> None:
        while self._attachment is attachment:
            await self._changed.wait()
