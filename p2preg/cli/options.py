"""What several commands have in common: which registry, a filter as text, an example in the help."""

from __future__ import annotations

import argparse
import os
import ssl
import textwrap
from collections.abc import Sequence
from typing import Any

from p2preg.base.errors import ConfigError, Refused
from p2preg.index.text import parse_text

RPC_VARIABLE = "P2PREG_RPC"
RPC_DEFAULT = "ws://127.0.0.1:7480/"
HELP_WIDTH = 100
FILTER_HELP = (
    "terms joined by spaces, all of which must hold: region=eu-west codecs=video/AV1 'load<0.7' '!labels.tier=test' "
    "(= != < <= > >=; a=x,y for either; a field alone: it is known; within=LAT,LON,KM); or a JSON tree"
)


def add_command(
    subparsers: Any, name: str, summary: str, example: str, description: str = ""
) -> argparse.ArgumentParser:
    """A command whose help ends with an example."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description or f"{summary[0].upper()}{summary[1:]}.", HELP_WIDTH),
        epilog=f"example:\n{_indented(example)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.strip().splitlines())


def add_registries(parser: argparse.ArgumentParser) -> None:
    """`--rpc`, `--ca` and `--json`."""
    parser.add_argument(
        "--rpc",
        metavar="URL",
        action="append",
        help=f"a registry, ws://… or wss://…; several are tried in order (default ${RPC_VARIABLE}, else {RPC_DEFAULT})",
    )
    parser.add_argument("--ca", metavar="FILE", help="trust these certificate authorities for wss, not the system's")
    parser.add_argument("--json", action="store_true", help="JSON for machines")


def add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("filter", metavar="FILTER", nargs="*", help=FILTER_HELP)


def registries(arguments: argparse.Namespace) -> list[str]:
    """The URLs to try, in order."""
    given: list[str] = arguments.rpc or os.environ.get(RPC_VARIABLE, "").replace(",", " ").split()
    return given or [RPC_DEFAULT]


def tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """Whom to trust; None is the system's authorities."""
    if arguments.ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=arguments.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca {arguments.ca}: a PEM file of certificates was expected: {error}") from None


def read_filter(terms: Sequence[str]) -> dict[str, Any] | None:
    """The JSON tree of a filter written as text; None for no filter. `ConfigError` says which character is wrong."""
    text = " ".join(terms)
    if not text.strip():
        return None
    try:
        return parse_text(text)
    except Refused as error:
        raise ConfigError(f"the filter {text!r}: {error.message}") from None


def read_sort(sort: Sequence[str] | None) -> list[list[str]]:
    """`field` or `field:desc` as the contract's pairs."""
    pairs = []
    for text in sort or ():
        field, _, direction = text.rpartition(":") if text.endswith((":asc", ":desc")) else (text, "", "asc")
        pairs.append([field, direction])
    return pairs


def read_fields(text: str | None) -> list[str] | None:
    """Names separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def add_include(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--include",
        choices=("allocatable", "live", "all"),
        default="allocatable",
        help="allocatable: serving and live (default); live: in any state; all: also those out of contact",
    )
