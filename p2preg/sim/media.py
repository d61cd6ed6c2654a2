"""A Media Node as its SDK would run it: a key, a session at one home at a time, and a new proof whenever one is due."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from p2preg.base.errors import Refused
from p2preg.cells.cell import ADVERT, sign_cell
from p2preg.cells.network import NetworkFile
from p2preg.crypto.keys import IdentityKey
from p2preg.registry.attributes import Attributes, body_of
from p2preg.sim.client import Pending, SimClient
from p2preg.sim.clock import Agenda, WallClock
from p2preg.sim.host import Host

PLAIN: dict[str, Any] = {
    "kind": "sfu",
    "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}],
    "codecs": ["audio/opus", "video/VP8"],
}


class MediaNode:
    """`attributes`: what it says of itself. `signed`: whether by an advert of its own making."""

    def __init__(
        self,
        name: str,
        key: IdentityKey,
        network_file: NetworkFile,
        agenda: Agenda,
        open_client: Callable[[Host], SimClient],
        *,
        attributes: dict[str, Any] | None = None,
        signed: bool = False,
    ) -> None:
        self.name = name
        self.key = key
        self.id = key.public
        self.clock = WallClock(agenda)
        self.attributes = PLAIN | (attributes or {})
        self.signed = signed
        self.client: SimClient | None = None
        self.registered: dict[str, Any] | None = None
        self.refused: Refused | None = None
        self.renewals = 0
        self._network_file = network_file
        self._agenda = agenda
        self._open_client = open_client
        self._last_seq = 0

    def __repr__(self) -> str:
        return f"MediaNode[{self.name} {'registered' if self.registered else 'not registered'}]"

    # --- one home at a time ---------------------------------------------------------------------------------

    def attach(self, host: Host, **more: Any) -> None:
        """Open a session at `host` and register there; `registered` or `refused` says how it went. `more`: further
        params of `node.register`."""
        self.registered, self.refused = None, None
        client = self._open_client(host)
        self.client = client
        client.send("session.hello", lambda answer: self._greeted(client, answer, more), **client.hello_params())

    def _greeted(self, client: SimClient, answer: Pending, more: dict[str, Any]) -> None:
        client.greeted(answer.get())
        login = client.login_params(self.key, "node", self.next_seq())
        client.send("session.authenticate", lambda answer: self._admitted(client, answer, more), **login)

    def _admitted(self, client: SimClient, answer: Pending, more: dict[str, Any]) -> None:
        if answer.error is not None:
            self.refused = answer.error
        elif client is self.client:
            told = self.description() | more
            client.send("node.register", lambda answer: self._answered(client, answer), **told)

    def _answered(self, client: SimClient, answer: Pending) -> None:
        if client is not self.client:
            return
        self.refused = answer.error
        if answer.error is None:
            self.registered = answer.result
            self._agenda.after(answer.result["lease"]["renew_after_s"], self._renew, client)

    def leave_socket(self) -> None:
        """The node crashes, or its network does: the socket closes and nobody says farewell."""
        if self.client is not None:
            self.client.close()
        self.client, self.registered = None, None

    # --- proofs ---------------------------------------------------------------------------------------------

    def next_seq(self) -> int:
        """Unix ms by the node's own clock, greater than ever before."""
        self._last_seq = max(self._last_seq + 1, self.clock.now_ms)
        return self._last_seq

    def proof_params(self, client: SimClient) -> dict[str, Any]:
        """What `node.renew` takes."""
        seq = self.next_seq()
        return {"seq": seq, "signature": client.signed(self.key, "node", seq)}

    def _renew(self, client: SimClient) -> None:
        if client is self.client and client.is_open and not client.is_silent:
            client.send("node.renew", lambda answer: self._renewed(client, answer), **self.proof_params(client))

    def _renewed(self, client: SimClient, answer: Pending) -> None:
        if client is self.client and answer.error is None:
            self.renewals += 1
            self._agenda.after(answer.result["lease"]["renew_after_s"], self._renew, client)

    # --- the description ------------------------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """The part of `node.register` that says what the node is."""
        return {"advert": self.advert()} if self.signed else {"attributes": self.attributes}

    def advert(self) -> str:
        """A cell of its own making, as base64url."""
        body = body_of(msgspec.convert(self.attributes, Attributes))
        cell = sign_cell(self.key, self._network_file, self.id, ADVERT, self.clock.now_ms, body)
        return base64.urlsafe_b64encode(cell.raw).rstrip(b"=").decode()
