"""`p2preg node`: one registry of the network."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import ssl
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from p2preg.app import NodeSettings, run_node
from p2preg.base.address import Address, parse_address
from p2preg.base.errors import ConfigError, RemoteProtocolError, StorageError
from p2preg.cells.network import NetworkFile
from p2preg.net.driver import KeyInUse

EXIT_CONFIG = 2
_EXIT_CODES = {ConfigError: EXIT_CONFIG, KeyInUse: 4, StorageError: 5}

EXAMPLE = """\
examples:
  the first registry of a network, on this machine only:
    p2preg node --data-dir ./one --listen 127.0.0.1:7401 --rpc 127.0.0.1:7480
  a second one:
    p2preg node --data-dir ./two --listen 127.0.0.1:7402 --rpc 127.0.0.1:7481 --seed 127.0.0.1:7401
  a public one behind a TLS-terminating proxy:
    p2preg node --data-dir /var/lib/p2preg --listen 0.0.0.0:7401 --advertise registry.example.org:7401 \\
        --rpc 127.0.0.1:7480 --advertise-rpc wss://registry.example.org/ --trusted-proxy 127.0.0.0/8 \\
        --seed other.example.net:7401

When it is ready it prints one line of JSON on standard output; logs go to standard error. SIGTERM and Ctrl-C leave
cleanly within 5 seconds. A --config file is TOML with the same names: data-dir = "…", seed = ["…"].
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "node",
        help="run a registry node",
        description="Run one registry of a network: it links with other registries, takes registrations of media "
        "nodes and answers orchestrators.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", metavar="DIR", help="where the identity key and the cells are kept; made if absent")
    add("--listen", metavar="HOST:PORT", help="for links of other registries (default 127.0.0.1:7401; port 0: any)")
    add("--rpc", metavar="HOST:PORT", help="for websocket clients (default 127.0.0.1:7480; port 0: any)")
    add("--advertise", metavar="HOST:PORT", help="where others reach --listen; needed when that is a wildcard")
    add("--advertise-rpc", metavar="URL", action="append", help="where clients reach --rpc: ws://… or wss://…")
    add("--authority", metavar="HOST:PORT", action="append", help="another name under which clients may dial --rpc")
    add("--trusted-proxy", metavar="CIDR", action="append", help="believe X-Forwarded-For from these addresses")
    add("--seed", metavar="HOST:PORT", action="append", help="a registry to begin with; several are better")
    add("--network", metavar="NAME|FILE", help="the network's name, or its network file (default: main)")
    add("--region", metavar="LABEL", help="where this registry is, for its peers' tables")
    add("--sponsor", metavar="KEY:SIGNATURE", help="what `p2preg sponsor` printed, in a sponsored network")
    add("--rpc-tls-cert", metavar="FILE", help="serve wss: the certificate chain, PEM")
    add("--rpc-tls-key", metavar="FILE", help="serve wss: its private key, PEM")
    add("--config", metavar="FILE.toml", help="options from a file; those given here come first")
    add("--log-format", choices=("text", "json"), help="of the log on standard error (default text)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the node until it is told to stop; the exit code."""
    try:
        options = _options(arguments)
        settings = read_settings(options)
    except ConfigError as error:
        print(f"p2preg node: {error}", file=sys.stderr)
        return EXIT_CONFIG
    set_up_logging(options.get("log-format") or "text")
    code = 0
    try:
        trio.run(run_node, settings, _print_ready, restrict_keyboard_interrupt_to_checkpoints=True)
    except* (KeyInUse, ConfigError, StorageError) as group:
        first = _first(group)
        print(f"p2preg node: {first}", file=sys.stderr)
        code = next(code for kind, code in _EXIT_CODES.items() if isinstance(first, kind))
    return code


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _print_ready(ready: dict[str, str]) -> None:
    print(json.dumps(ready), flush=True)


# --- options ------------------------------------------------------------------------------------------------------

_NAMES = (
    "data-dir", "listen", "rpc", "advertise", "advertise-rpc", "authority", "trusted-proxy", "seed", "network",
    "region", "sponsor", "rpc-tls-cert", "rpc-tls-key", "log-format",
)  # fmt: skip
_LISTS = ("advertise-rpc", "authority", "trusted-proxy", "seed")


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says, and for the rest what the file says."""
    given = {name: getattr(arguments, name.replace("-", "_")) for name in _NAMES}
    options = _read_file(Path(arguments.config)) if arguments.config else {}
    options.update({name: value for name, value in given.items() if value is not None})
    return options


def _read_file(path: Path) -> dict[str, Any]:
    try:
        options = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: {error}") from None
    for name, value in options.items():
        if name not in _NAMES:
            raise ConfigError(f"--config {path}: unknown option {name!r}; there are {', '.join(_NAMES)}")
        wanted = list if name in _LISTS else str
        if not isinstance(value, wanted) or (wanted is list and not all(isinstance(item, str) for item in value)):
            raise ConfigError(f"--config {path}: {name} is {'a list of texts' if wanted is list else 'a text'}")
    return options


def read_settings(options: dict[str, Any]) -> NodeSettings:
    """Judge the options; `ConfigError` says which is wrong, what was expected and what to do."""
    if not options.get("data-dir"):
        raise ConfigError("--data-dir is needed: where this registry keeps its identity and its cells")
    listen = parse_address(options.get("listen") or "127.0.0.1:7401")
    rpc = parse_address(options.get("rpc") or "127.0.0.1:7480")
    advertise = parse_address(options["advertise"]) if options.get("advertise") else None
    advertise_rpc = tuple(options.get("advertise-rpc") or ())
    if listen.is_wildcard and advertise is None:
        raise ConfigError(f"--listen {listen} is every address of this machine: --advertise must say which to dial")
    if rpc.is_wildcard and not advertise_rpc:
        raise ConfigError(f"--rpc {rpc} is every address of this machine: --advertise-rpc must say which URL to dial")
    if advertise is not None and (advertise.is_wildcard or advertise.port == 0):
        raise ConfigError(f"--advertise {advertise} cannot be dialled: give a real address and port")
    for url in advertise_rpc:
        if not url.startswith(("ws://", "wss://")):
            raise ConfigError(f"--advertise-rpc {url!r}: a URL with ws:// or wss:// was expected")
    return NodeSettings(
        data_dir=Path(options["data-dir"]),
        listen=listen,
        rpc=rpc,
        network=read_network(options.get("network") or "main"),
        advertise=advertise,
        advertise_rpc=advertise_rpc,
        authorities=_checked("authority", options),
        seeds=_checked("seed", options),
        trusted_proxies=_networks(options.get("trusted-proxy") or ()),
        region=options.get("region"),
        sponsor=_sponsor(options.get("sponsor")),
        tls=_tls(options.get("rpc-tls-cert"), options.get("rpc-tls-key")),
    )


def _checked(name: str, options: dict[str, Any]) -> tuple[str, ...]:
    addresses: list[Address] = []
    for text in options.get(name) or ():
        try:
            addresses.append(parse_address(text))
        except ConfigError as error:
            raise ConfigError(f"--{name}: {error}") from None
    return tuple(str(address) for address in addresses)


def _networks(cidrs: Sequence[str]) -> tuple[str, ...]:
    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr)
        except ValueError as error:
            raise ConfigError(f"--trusted-proxy: {error}") from None
    return tuple(cidrs)


def read_network(text: str) -> NetworkFile:
    """A network by its name, or by its file."""
    path = Path(text)
    try:
        if path.is_file():
            return NetworkFile.parse(path.read_bytes())
        return NetworkFile.open(text)
    except (RemoteProtocolError, OSError) as error:
        raise ConfigError(f"--network {text}: {error}") from None


def _sponsor(text: str | None) -> tuple[bytes, bytes] | None:
    if text is None:
        return None
    try:
        key, signature = (bytes.fromhex(part) for part in text.split(":"))
    except ValueError:
        raise ConfigError("--sponsor: KEY:SIGNATURE in hex was expected, as `p2preg sponsor` prints it") from None
    return key, signature


def _tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("--rpc-tls-cert and --rpc-tls-key go together")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--rpc-tls-cert {certificate}, --rpc-tls-key {key}: {error}") from None
    return context


# --- logging ------------------------------------------------------------------------------------------------------


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def set_up_logging(log_format: str) -> None:
    """Everything of ours from `info` on, of others from `warning` on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = _JsonFormatter() if log_format == "json" else logging.Formatter(
        "%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03dZ"
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("p2preg").setLevel(logging.INFO)
