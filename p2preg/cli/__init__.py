"""The command line: `p2preg COMMAND`. One module a command; `parser` puts them together."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from p2preg.base.errors import ConfigError, P2pregError, StorageError
from p2preg.cli import exits
from p2preg.cli.output import harmless
from p2preg.cli.parser import build_parser
from p2preg.client.errors import ClientError, Displaced, RpcError

_CODES: tuple[tuple[type[P2pregError], int], ...] = (
    (RpcError, exits.REFUSED),
    (Displaced, exits.KEY_IN_USE),
    (ClientError, exits.UNREACHABLE),
    (ConfigError, exits.USAGE),
    (StorageError, exits.STORAGE),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. What went wrong is one line on standard error."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except P2pregError as error:
        print(f"p2preg: {harmless(error)}", file=sys.stderr)
        return next((code for kind, code in _CODES if isinstance(error, kind)), exits.USAGE)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
