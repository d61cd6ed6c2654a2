"""A Media Node at one home: the time from its registration there until the connection, the home or the node ends it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from p2preg.client.config import ClientConfig
from p2preg.client.errors import CallTimeout, ConnectionLost, Displaced, RpcError
from p2preg.client.failover import Candidates
from p2preg.client.nursery import open_flat_nursery
from p2preg.client.registration import Registration
from p2preg.client.replies import NodeNotice
from p2preg.client.second_opinion import FIRST_LOOK_SECONDS, PATIENCE_SECONDS, ask_others

RENEW_AGAIN_SECONDS = 10.0  # after a refused renewal; there are 20 min left to get one through
ISOLATED_PATIENCE_SECONDS = 3.0

Tell = Callable[[str, str], None]


class Attachment:
    """Keeps the lease alive and listens to what the home says. `tell(kind, detail)` reports each fact."""

    def __init__(
        self,
        node_id: str,
        registration: Registration,
        candidates: Candidates,
        tell: Tell,
        tls: ssl.SSLContext | None,
        config: ClientConfig,
    ) -> None:
        self.registration = registration
        self.began = trio.current_time()
        self._node_id = node_id
        self._candidates = candidates
        self._tell = tell
        self._tls = tls
        self._config = config
        self._prove = trio.Event()
        self._doubted = trio.Event()
        self._ended = trio.Event()
        self._displaced = False
        registration.session.connection.on("node.notice", self._on_notice)

    async def stay(self) -> None:
        """Until it is time for another registry: `ConnectionLost` when this one went away, an ordinary return when we
        go, `Displaced` when the key is in use elsewhere."""
        async with open_flat_nursery() as tasks:
            tasks.start_soon(self._watch_connection)
            tasks.start_soon(self._keep_lease)
            tasks.start_soon(self._look_around)
            await self._ended.wait()
            tasks.cancel_scope.cancel()
        if self._displaced:
            raise Displaced(f"node {self._node_id} has proven its presence elsewhere: another process uses its key")

    async def _watch_connection(self) -> None:
        raise await self.registration.session.connection.wait_lost()

    # --- notices --------------------------------------------------------------------------------------------------

    def _on_notice(self, params: Any) -> None:
        try:
            notice = msgspec.convert(params, NodeNotice)
        except msgspec.ValidationError:
            return  # a later release's: what it means is not known here
        if notice.node_id != self._node_id:
            return
        self._candidates.learn(notice.registries)
        if notice.reason == "prove":
            self._prove.set()
        elif notice.reason == "isolated":
            self._tell("isolated", "the home says that it is cut off")
            self._doubted.set()
        elif notice.reason == "stopping":
            self._tell("moving", "the home is stopping")
            self._ended.set()
        elif notice.reason == "displaced":
            self._displaced = True
            self._ended.set()

    # --- the lease ------------------------------------------------------------------------------------------------

    async def _keep_lease(self) -> None:
        pause = self.registration.renew_after
        while True:
            with trio.move_on_after(pause):
                await self._prove.wait()
            self._prove = trio.Event()
            try:
                await self.registration.refresh()
            except RpcError as error:
                if error.reason == "node.displaced":
                    self._displaced = True
                    self._ended.set()
                    return
                self._tell("refused", f"the renewal: {error}")
                pause = RENEW_AGAIN_SECONDS
                continue
            except CallTimeout as error:
                raise ConnectionLost(str(error)) from error
            self._tell(self.registration.outcome, "")
            pause = self.registration.renew_after

    # --- whether others see us ------------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        """Ask a second registry once, and again each time the home doubts itself."""
        with trio.move_on_after(FIRST_LOOK_SECONDS):
            await self._doubted.wait()
        while True:
            isolated, self._doubted = self._doubted.is_set(), trio.Event()
            await self._ask_others(isolated=isolated)
            await self._doubted.wait()

    async def _ask_others(self, *, isolated: bool) -> None:
        others = self._candidates.others()
        if not others:
            return
        patience = ISOLATED_PATIENCE_SECONDS if isolated else PATIENCE_SECONDS
        home = self.registration.session.registry_id
        opinion = await ask_others(self._node_id, home, others, patience, self._tls, self._config)
        if opinion.url is None:
            self._tell("unconfirmed", "no other registry can be asked")
        elif opinion.seen:
            self._tell("confirmed", opinion.url)
        elif opinion.telling or isolated:
            self._tell("moving", f"{opinion.url} does not see the node at its home")
            self._candidates.prefer(opinion.url)
            self._ended.set()
        else:
            self._tell("unconfirmed", f"{opinion.url} does not see the node, and is not synced itself")
