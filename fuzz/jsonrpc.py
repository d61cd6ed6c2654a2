"""Target: the text of a websocket message, through JSON-RPC to a registry where the session speaks for a node."""

from __future__ import annotations

import json

from p2preg.base.errors import Refused
from p2preg.cells.network import NetworkFile
from p2preg.registry.effects import Fail, Reply
from p2preg.registry.events import Call
from p2preg.registry.methods import METHODS
from p2preg.rpc import jsonrpc
from p2preg.rpc.jsonrpc import Incoming, Malformed, Request
from p2preg.sim import World, check_host
from p2preg.sim.host import Host

NETWORK = NetworkFile.open("fuzz")
REQUESTS_MAX = 16  # of one batch that are carried out
CODES = {-32700, -32600, -32602, *range(-32006, -32000)}


def one_input(data: bytes) -> None:
    """Any text is answered with results or with errors of the contract, each request once, and harms nobody."""
    incoming = jsonrpc.decode(data.decode(errors="replace"))
    check_shape(incoming)
    world = World(0, NETWORK)
    host = world.add_registry()
    [node] = world.register(host)
    for number, item in enumerate(incoming.items[:REQUESTS_MAX]):
        if isinstance(item, Request) and item.method in METHODS.keys() - {"rpc.discover"}:
            answer(world, host, Call(node.client.number, 1_000 + number, item.method, item.params), item)
    check_host(host)


def check_shape(incoming: Incoming) -> None:
    """What is malformed has an error that can be sent."""
    assert incoming.items, "every text wants an answer, or holds a request"
    for item in incoming.items:
        if isinstance(item, Malformed):
            check_error(item.error)
            json.loads(jsonrpc.failure(item.id, item.error))


def answer(world: World, host: Host, call: Call, request: Request) -> None:
    """Carry out one call. Its answer may also wait for the disk, but there is never a second one."""
    effects = host.node.handle(call, world.agenda.now, host.clock.now_ms)
    answers = [each for each in effects if isinstance(each, Reply | Fail) and each.call == call.call]
    assert len(answers) <= 1
    for each in answers:
        if isinstance(each, Fail):
            check_error(each.error)
            json.loads(jsonrpc.failure(request.id, each.error))
        else:
            json.loads(jsonrpc.success(request.id, each.result))


def check_error(error: Refused) -> None:
    assert error.code in CODES, f"code {error.code}"
    assert isinstance(error.data["reason"], str)
    error.message.encode()
