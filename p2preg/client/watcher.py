"""A local view of the matching nodes that is always current, or says that it is not (docs/rpc.md, Subscriptions).

It follows one subscription at one registry; when that is lost it resumes at the next one with what it holds, so a view
that is still right costs nothing, and one that is not is replaced only by a better one."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Any

import trio

from p2preg.client.changes import Changes, WatchEvent
from p2preg.client.config import DEFAULT, ClientConfig
from p2preg.client.errors import ClientError, NotRunning, RpcError, Untrusted
from p2preg.client.failover import Failover
from p2preg.client.following import Following
from p2preg.client.nursery import open_flat_nursery
from p2preg.client.proving import Prover
from p2preg.client.replies import Freshness, Subscribed, read
from p2preg.client.session import AGENT, Session, open_session
from p2preg.client.view import Node, View
from p2preg.crypto.keys import IdentityKey

__all__ = ["WatchEvent", "Watcher"]

SUBSCRIBE_SECONDS = 45.0  # a registry that is not synced may hold the answer back for 30 s
FRESHNESS_SECONDS = 2.0  # between questions to a registry that is not synced
FRESHNESS_SYNCED_SECONDS = 14.0  # to one that was, and may be cut off since
RESUBSCRIBE_SECONDS = 0.5  # at most, before asking the same registry again: it may be short of room
# About the question, not about who is asked: no other registry would answer it.
FATAL_CODES = (-32602, -32004)


class Watcher:
    """`nodes` by id, kept current while it runs: `async with Watcher(...) as watcher:`, or `await watcher.run()`.

    `filter`: a JSON tree of docs/rpc.md; `include`: allocatable, live or all; `fields`: names, None for all; load and
    QoS changes are followed only when `fields` names them. `key`: for registries that want clients to authenticate.
    """

    def __init__(
        self,
        registries: Sequence[str],
        *,
        filter: Mapping[str, Any] | None = None,
        include: str = "allocatable",
        fields: Sequence[str] | None = None,
        max_rate_ms: int | None = None,
        key: IdentityKey | None = None,
        tls: ssl.SSLContext | None = None,
        agent: str = AGENT,
        config: ClientConfig = DEFAULT,
        rng: Random | None = None,
    ) -> None:
        """`ConfigError` when a URL is none."""
        asked = {"filter": filter, "include": include, "fields": fields, "max_rate_ms": max_rate_ms}
        self._question = {name: value for name, value in asked.items() if value is not None}
        self._rng = rng or Random()
        self._failover = Failover(registries, self._rng)
        self._prover = Prover(key) if key is not None else None
        self._tls = tls
        self._agent = agent
        self._config = config
        self._network: str | None = None
        self._view = View()
        self._complete = False  # what is held was once all that a registry saw
        self._following: Following | None = None
        self._fault: str | None = None
        self._disturbed = trio.Event()
        self._was_synced = False
        self._changed = trio.Event()
        self._ended = False
        self._readers: weakref.WeakSet[Changes] = weakref.WeakSet()
        self._stack = AsyncExitStack()
        self.session: Session | None = None

    def __repr__(self) -> str:
        return f"Watcher[{len(self._view)} nodes {'synced' if self.synced else 'stale'}]"

    # --- for readers ----------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes held, by id: as current as the connection allows, and as it was when there is none."""
        return self._view.nodes

    @property
    def synced(self) -> bool:
        """Whether `nodes` is all that the connected registry sees, and that registry is in step with the network."""
        return self._following is not None and self._following.synced

    @property
    def stale(self) -> bool:
        return not self.synced

    @property
    def freshness(self) -> Freshness | None:
        """What the connected registry said last of itself; None while there is none."""
        return self._following.freshness if self._following is not None else None

    @property
    def url(self) -> str | None:
        """The connected registry."""
        return self.session.url if self.session is not None else None

    def events(self) -> Changes:
        """Every change from here on, as an asynchronous iterator that begins with what is held. A slow reader misses
        steps, never the outcome."""
        changes = Changes(self._view, synced=self.synced)
        if self._ended:
            changes.end()
        self._readers.add(changes)
        return changes

    async def wait_synced(self) -> None:
        """Until `synced`. `NotRunning` when the watcher has ended."""
        while not self.synced:
            if self._ended:
                raise NotRunning("the watcher has ended")
            await self._changed.wait()

    # --- running --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Raises `RpcError` when the filter or another part of the question is refused."""
        try:
            while True:
                await self._visit(self._failover.candidates.current)
                await self._failover.next()
        finally:
            self._ended = True
            for reader in self._readers:
                reader.end()
            self._look()

    async def __aenter__(self) -> Watcher:
        nursery = await self._stack.enter_async_context(open_flat_nursery())
        nursery.start_soon(self.run)
        self._stack.callback(nursery.cancel_scope.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if isinstance(error, NotRunning):  # of what ended it, `run` itself tells more
            return await self._stack.__aexit__(None, None, None)
        return await self._stack.__aexit__(kind, error, traceback)

    async def _visit(self, url: str) -> None:
        began = trio.current_time()
        try:
            async with open_session(url, tls=self._tls, agent=self._agent, config=self._config) as session:
                self.session = session
                self._check_network(session)
                self._failover.candidates.learn(session.hello.peers)
                if self._prover is not None:
                    await session.authenticate(self._prover, "client")
                session.connection.on("nodes.event", self._on_event)
                async with open_flat_nursery() as tasks:
                    tasks.start_soon(self._watch_connection, session)
                    tasks.start_soon(self._ask_freshness, session)
                    await self._follow(session)
        except RpcError as error:
            if error.code in FATAL_CODES:
                raise
        except ClientError:
            pass  # the next registry; that the view is stale is said in `synced`
        finally:
            self.session = None
            self._following = None
            self._look()
            self._failover.stayed(trio.current_time() - began)

    def _check_network(self, session: Session) -> None:
        if self._network is None:
            self._network = session.hello.network
        if session.hello.network != self._network:
            raise Untrusted(f"{session.url} is of network {session.hello.network}, not of {self._network}")

    async def _watch_connection(self, session: Session) -> None:
        raise await session.connection.wait_lost()

    # --- one registry ---------------------------------------------------------------------------------------------

    async def _follow(self, session: Session) -> None:
        """Subscribe, and again whenever the subscription is found to be at fault."""
        while True:
            self._disturbed = trio.Event()
            await self._subscribe(session)
            await self._disturbed.wait()
            following, self._following = self._following, None
            self._look()
            if following is not None and not (self._fault or "").startswith("lagged"):
                await self._unsubscribe(session, following)
            await trio.sleep(self._rng.uniform(0.0, RESUBSCRIBE_SECONDS))

    async def _subscribe(self, session: Session) -> None:
        params = dict(self._question)
        if self._complete:
            params["have"] = {"count": len(self._view), "digest": self._view.digest}
        await session.connection.call(
            "nodes.subscribe", params, timeout=SUBSCRIBE_SECONDS, on_result=self._on_subscribed
        )

    async def _unsubscribe(self, session: Session, following: Following) -> None:
        try:
            await session.call("nodes.unsubscribe", {"subscription": following.subscription})
        except RpcError as error:
            if error.reason != "subscription.unknown":
                raise

    def _on_subscribed(self, result: Any) -> None:
        """In the reader: the events that follow must find the subscription known."""
        subscribed = read(result, Subscribed, "nodes.subscribe")
        self._following = Following(subscribed, self._view, self._on_change, keep=self._complete)

    def _on_event(self, params: Any) -> None:
        following = self._following
        if following is None or not isinstance(params, dict) or params.get("subscription") != following.subscription:
            return  # of a subscription that was given up
        self._fault = following.take(params)
        if self._fault is not None:
            self._disturbed.set()
        self._complete = self._complete or following.phase == "live"
        self._look()

    async def _ask_freshness(self, session: Session) -> None:
        """A registry says how fresh it is when a subscription begins. That may change, so ask again."""
        while True:
            await trio.sleep(FRESHNESS_SYNCED_SECONDS if self.synced else FRESHNESS_SECONDS)
            following = self._following
            if following is None or following.phase != "live":
                continue
            answer = await session.call("nodes.list", {"limit": 1, "fields": []})
            freshness = read(answer.get("freshness"), Freshness, "nodes.list")
            if following is self._following:
                following.refresh(freshness)
                self._look()

    # --- what readers are told ------------------------------------------------------------------------------------

    def _on_change(self, node_id: str, before: Node | None, after: Node | None) -> None:
        for reader in self._readers:
            reader.change(node_id, before)

    def _look(self) -> None:
        """Tell when the view became synced or stale."""
        if self.synced != self._was_synced:
            self._was_synced = self.synced
            for reader in self._readers:
                reader.set_synced(synced=self.synced)
        self._changed.set()
        self._changed = trio.Event()
