"""`p2preg keygen`: a new identity, for a registry, a media node, a client or a sponsor."""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p2preg.base.errors import ConfigError
from p2preg.base.limits import WORK_BITS_MAX
from p2preg.cli import exits, options
from p2preg.cli.output import print_json
from p2preg.crypto.keys import SEED_BYTES, IdentityKey, work_bits
from p2preg.storage.keyfile import write_new

EXAMPLE = """
p2preg keygen node.pem
p2preg keygen registry.pem --work 20
"""
DESCRIPTION = (
    "Make an Ed25519 key and write it to FILE (PEM, PKCS 8, readable by its owner only). Its public half is the "
    "identity, which is printed. A file that exists is never overwritten."
)
PROGRESS_EVERY = 2_000  # keys between two looks at the clock


def add_parser(subparsers: Any) -> None:
    parser = options.add_command(subparsers, "keygen", "make an identity key", EXAMPLE, DESCRIPTION)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--work",
        type=int,
        default=0,
        metavar="BITS",
        help="search for a key that networks with admission by work admit",
    )
    parser.add_argument("--json", action="store_true", help="JSON for machines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.work <= WORK_BITS_MAX:
        raise ConfigError(f"--work: 0 to {WORK_BITS_MAX} bits were expected, got {arguments.work}")
    if arguments.file.exists():
        raise ConfigError(f"{arguments.file} exists and is not overwritten: move it away if a new identity is meant")
    show = _show_progress if arguments.work and sys.stderr.isatty() else None
    key = find_key(arguments.work, show)
    write_new(arguments.file, key)
    if arguments.json:
        print_json({"id": key.public.hex(), "work_bits": work_bits(key.public), "file": str(arguments.file)})
    else:
        print(key.public.hex())
    return exits.OK


def find_key(bits: int, show: Callable[[int, float, int], None] | None = None) -> IdentityKey:
    """A new key whose public half shows at least so many bits of work; 2^bits tries on average. `show(tries, seconds,
    bits)` is called now and then."""
    began, tries = time.monotonic(), 0
    while True:
        key = IdentityKey(secrets.token_bytes(SEED_BYTES))
        tries += 1
        if work_bits(key.public) >= bits:
            return key
        if show is not None and tries % PROGRESS_EVERY == 0:
            show(tries, time.monotonic() - began, bits)


def _show_progress(tries: int, seconds: float, bits: int) -> None:
    rate = tries / seconds
    # With chance 1 - 1/e after 2^bits tries: said, since no amount of work done makes the rest shorter.
    found = 1.0 - math.exp(-tries / 2.0**bits)
    print(
        f"\r{tries:,} keys, {rate:,.0f} a second, about {2.0**bits / rate:,.0f} s on average; "
        f"{found:.0%} would have found one by now ",
        end="", file=sys.stderr, flush=True,
    )  # fmt: skip
