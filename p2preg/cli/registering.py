"""`p2preg register`: a Media Node's registration, kept up until it is stopped."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import trio

from p2preg.base.errors import ConfigError
from p2preg.cli import exits, options
from p2preg.cli.load_lines import LineSource, open_lines
from p2preg.cli.output import harmless, print_json
from p2preg.client import ClientError, Displaced, MediaNode, NodeEvent
from p2preg.client.nursery import open_flat_nursery
from p2preg.storage.keyfile import load

EXAMPLE = """
p2preg register --key node.pem --attributes node.json --rpc ws://one.example/ --rpc ws://two.example/
my-sfu-stats | p2preg register --key node.pem --attributes node.json --load -

with node.json such as
  {"kind": "sfu", "region": "eu-west", "codecs": ["audio/opus", "video/VP8"],
   "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}]}
and lines of load such as
  {"load": 0.42, "participants": 117, "out_bps": 250000000}
or of state
  {"state": "draining", "deadline_ms": 1893456000000, "reason": "maintenance"}
  {"state": "serving"}
"""
DESCRIPTION = (
    "Register a media node and keep it registered: the description signed by its key, the lease renewed, the next "
    "registry taken when one goes away. SIGTERM and Ctrl-C leave, and exit with 0; a second one ends at once."
)
QUIET = ("connecting", "confirmed", "renewed")  # told in JSON, and to people with --verbose


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "register", "keep a media node registered", EXAMPLE, DESCRIPTION)
    add = parser.add_argument
    add("--key", type=Path, required=True, metavar="FILE", help="the node's identity, as `p2preg keygen` makes it")
    add("--attributes", type=Path, required=True, metavar="FILE.json", help="its description, a JSON object")
    add("--load", metavar="FILE", help="lines of load and state; - for standard input; a file is followed as it grows")
    add("--plain", action="store_true", help="let the registry sign the description, not the node")
    add("--starting", action="store_true", help='do not serve before a line {"state": "serving"}')
    add("--verbose", action="store_true", help="also tell of attempts, renewals and confirmations")
    options.add_registries(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    teller = _Teller(as_json=arguments.json, verbose=arguments.verbose)
    node = MediaNode(
        load(arguments.key),
        read_attributes(arguments.attributes),
        registries=options.registries(arguments),
        signed=not arguments.plain,
        starting=arguments.starting,
        on_event=teller.tell,
        tls=options.tls(arguments),
        agent="p2preg-register",
    )
    lines = open_lines(arguments.load) if arguments.load is not None else None
    try:
        trio.run(partial(_register, node, lines), restrict_keyboard_interrupt_to_checkpoints=True)
    except Displaced as error:
        print(f"p2preg register: {error}", file=sys.stderr)
        return exits.KEY_IN_USE
    finally:
        if lines is not None:
            lines.close()
    return exits.OK


def read_attributes(path: Path) -> dict[str, Any]:
    """A JSON object."""
    try:
        attributes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--attributes {path}: {error}") from None
    if not isinstance(attributes, dict):
        raise ConfigError(f"--attributes {path}: a JSON object was expected")
    return attributes


async def _register(node: MediaNode, lines: LineSource | None) -> None:
    async with open_flat_nursery() as tasks:
        tasks.start_soon(_obey_signals, node, tasks.cancel_scope)
        if lines is not None:
            tasks.start_soon(_feed, node, lines)
        await node.run()
        tasks.cancel_scope.cancel()


async def _obey_signals(node: MediaNode, scope: trio.CancelScope) -> None:
    """The first signal leaves, the second ends at once."""
    async with trio.open_nursery() as leaving:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                if leaving.child_tasks:
                    scope.cancel()
                leaving.start_soon(node.leave)


async def _feed(node: MediaNode, lines: LineSource) -> None:
    """Carry lines to the node. A bad line is told and passed over."""
    while (line := await lines.next_line()) is not None:
        if not line.strip():
            continue
        try:
            await take_line(node, line)
        except (ConfigError, ClientError) as error:
            print(f"p2preg register: {harmless(error)}", file=sys.stderr)


async def take_line(node: MediaNode, line: str) -> None:
    """A load object, or an object with `state`."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ConfigError(f"a line of JSON with a load object was expected, got {line[:80]!r}")
    if "state" not in said:
        await node.set_load(said)
        return
    state = said.pop("state")
    unknown = [name for name in said if name not in ("deadline_ms", "reason", "successors")]
    if unknown:
        raise ConfigError(f"a state comes with deadline_ms, reason and successors, got {unknown[0]!r}")
    await (node.resume() if state == "serving" else node.drain(state, **said))


class _Teller:
    """Prints the node's facts, one a line."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self._as_json = as_json
        self._verbose = verbose

    def tell(self, event: NodeEvent) -> None:
        if self._as_json:
            said = {"time_ms": time.time_ns() // 1_000_000, "event": event.kind, "rpc": event.url}
            said |= {"registry_id": event.registry_id} if event.registry_id else {}
            said |= {"detail": event.detail} if event.detail else {}
            print_json(said)
        elif self._verbose or event.kind not in QUIET:
            print(harmless(f"{time.strftime('%H:%M:%S')} {_sentence(event)}"), flush=True)


def _sentence(event: NodeEvent) -> str:
    where = event.url
    if event.kind in ("created", "updated", "unchanged"):
        return f"registered ({event.kind}) at {where} registry {(event.registry_id or '')[:12]}"
    if event.kind == "declared":
        return f"{event.detail} at {where}"
    if event.kind in ("confirmed", "unconfirmed", "lost", "unreachable", "displaced"):
        return f"{event.kind}: {event.detail}"
    return f"{event.kind} at {where}" + (f": {event.detail}" if event.detail else "")
