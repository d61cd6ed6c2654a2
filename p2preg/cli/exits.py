"""The exit codes, documented in `p2preg --help`."""

from __future__ import annotations

OK = 0
REFUSED = 1
USAGE = 2
UNREACHABLE = 3
KEY_IN_USE = 4
STORAGE = 5
BROKEN = 6
INTERRUPTED = 130

MEANINGS = {
    OK: "done; for what runs until stopped: stopped as asked",
    REFUSED: "the registry refused, or there is no such node or nothing that matches",
    USAGE: "the command line, a file or a filter is not what it should be",
    UNREACHABLE: "no registry could be reached, or the connection was lost",
    KEY_IN_USE: "another process uses the same key",
    STORAGE: "the data directory cannot be read or written (p2preg node)",
    BROKEN: "a simulated network broke a promise (p2preg sim)",
    INTERRUPTED: "Ctrl-C, where there was nothing to end cleanly",
}


def table() -> str:
    """The codes with their meanings, for the help text."""
    return "exit codes:\n" + "".join(f"  {code:>3}  {meaning}\n" for code, meaning in MEANINGS.items())
