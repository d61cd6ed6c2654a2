"""`p2preg network` and `p2preg sponsor`: the rules of a network, and letting a registry into one."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.base.ids import ID_BYTES
from p2preg.cells.network import Admission, NetworkFile, Open, Sponsored, Work, sponsor_message
from p2preg.cli import exits, options
from p2preg.cli.node import read_network
from p2preg.cli.output import console, facts_table, print_json
from p2preg.storage.keyfile import load

NETWORK_EXAMPLE = """
p2preg network mynet --admission work:20 --out mynet.network
p2preg network mynet --admission sponsored:alice.pem,bob.pem --max-registries 200 --out mynet.network
p2preg network show mynet.network
"""
NETWORK_DESCRIPTION = (
    "Write a network file: the rules that all registries of one network share, and that its id is made of. Each "
    "operator passes it to `p2preg node --network`. A name alone (p2preg node --network mynet) means open admission "
    "and the default limits. `p2preg network show` prints what a name or file says."
)
SPONSOR_EXAMPLE = """
p2preg sponsor --key alice.pem --network mynet.network 1f0c…64 digits
p2preg node --data-dir ./one --network mynet.network --sponsor "$(p2preg sponsor --key … )"
"""
SPONSOR_DESCRIPTION = (
    "Sign a registry's id with a sponsor's key of a network with admission `sponsored`. The line that is printed goes "
    "to the operator of that registry, for `p2preg node --sponsor`."
)


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(
        subparsers, "network", "write or show a network file", NETWORK_EXAMPLE, NETWORK_DESCRIPTION
    )
    parser.add_argument("name", metavar="NAME", help="1 to 15 of a-z, 0-9 and -; or the word show")
    parser.add_argument("shown", metavar="FILE|NAME", nargs="?", help="after show: what to show")
    parser.add_argument(
        "--admission", metavar="RULE", default="open",
        help="who may run a registry: open (default), work:BITS, or sponsored:KEY,… (key files or ids in hex)",
    )  # fmt: skip
    parser.add_argument("--max-registries", type=int, metavar="N", help="how many are held at most (default 1024)")
    parser.add_argument("--slots", type=int, metavar="N", help="media nodes of one registry at most (default 65536)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; a file that exists is kept")
    parser.add_argument("--json", action="store_true", help="JSON for machines")
    parser.set_defaults(run=run_network)
    parser = options.add_command(
        subparsers, "sponsor", "let a registry into a sponsored network", SPONSOR_EXAMPLE, SPONSOR_DESCRIPTION
    )
    parser.add_argument("registry_id", metavar="REGISTRY_ID", help="64 hex digits, as its ready line says")
    parser.add_argument("--key", type=Path, required=True, metavar="SPONSOR.pem", help="the sponsor's key")
    parser.add_argument("--network", required=True, metavar="NAME|FILE", help="the network")
    parser.set_defaults(run=run_sponsor)


def run_network(arguments: argparse.Namespace) -> int:
    if arguments.name == "show":
        if arguments.shown is None:
            raise ConfigError("p2preg network show: a network file or name is needed")
        network = read_network(arguments.shown)
    elif arguments.shown is not None:
        raise ConfigError(
            f"p2preg network: one name was expected; to look at a file: p2preg network show {arguments.shown}"
        )
    elif arguments.out is None:
        raise ConfigError("p2preg network: --out FILE is needed; to look only: p2preg network show NAME")
    else:
        network = make_network(arguments)
        _write_new(arguments.out, network.encode())
    if arguments.json:
        print_json(_facts(network))
    elif arguments.name == "show":
        console().print(facts_table(_facts(network)))
    else:
        print(network.network)
    return exits.OK


def make_network(arguments: argparse.Namespace) -> NetworkFile:
    """The network that the options describe; judged as a registry will judge it."""
    wanted = {"max_registries": arguments.max_registries, "slots": arguments.slots}
    limits = {name: value for name, value in wanted.items() if value is not None}
    network = NetworkFile(arguments.name, admission=read_admission(arguments.admission), **limits)
    try:
        return NetworkFile.parse(network.encode())
    except RemoteProtocolError as error:
        raise ConfigError(f"p2preg network: {error}") from None


def read_admission(rule: str) -> Admission:
    """open, work:BITS or sponsored:KEY,…"""
    kind, _, details = rule.partition(":")
    if kind == "open" and not details:
        return Open()
    if kind == "work" and details.isdecimal():
        return Work(int(details))
    if kind == "sponsored" and details:
        return Sponsored(tuple(dict.fromkeys(_identity(text) for text in details.split(","))))
    raise ConfigError(f"--admission: open, work:BITS or sponsored:KEY,… was expected, got {rule!r}")


def _identity(text: str) -> bytes:
    """An id in hex, or the public half of a key file."""
    if len(text) != 2 * ID_BYTES:
        return load(Path(text)).public
    return _read_id(text)


def _read_id(text: str) -> bytes:
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != ID_BYTES:
        raise ConfigError(f"an id of {2 * ID_BYTES} hex digits was expected, got {text!r}")
    return identity


def _write_new(path: Path, data: bytes) -> None:
    try:
        with open(path, "xb") as file:
            file.write(data)
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigError(f"{path} exists and is not overwritten: a changed network file is another network") from None
    except OSError as error:
        raise ConfigError(f"the network file {path} cannot be written: {error.strerror}") from None


def _facts(network: NetworkFile) -> dict[str, Any]:
    match network.admission:
        case Work(bits):
            admission = f"work:{bits}"
        case Sponsored(keys):
            admission = f"sponsored:{','.join(key.hex() for key in keys)}"
        case _:
            admission = "open"
    return {
        "network": network.network,
        "name": network.name,
        "admission": admission,
        "max_registries": network.max_registries,
        "slots": network.slots,
    }


def run_sponsor(arguments: argparse.Namespace) -> int:
    network = read_network(arguments.network)
    key = load(arguments.key)
    if not isinstance(network.admission, Sponsored):
        raise ConfigError(f"network {network.network} has no sponsors: its admission is not `sponsored`")
    if key.public not in network.admission.keys:
        raise ConfigError(f"{key.public.hex()} is no sponsor of network {network.network}")
    signature = key.sign(sponsor_message(network.network, _read_id(arguments.registry_id)))
    print(f"{key.public.hex()}:{signature.hex()}")
    return exits.OK
