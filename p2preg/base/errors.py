"""The error tree. An error says whose fault it is; its text says what was expected, what came and the limit."""

from __future__ import annotations


class P2pregError(Exception):
    """Everything that p2preg raises on purpose."""


class ConfigError(P2pregError):
    """The operator asked for something that cannot be: a flag, a file, an address."""


class StorageError(P2pregError):
    """The data directory cannot be read or written."""


class LocalProtocolError(P2pregError):
    """Our own caller broke the rules: a bug on this side."""


class RemoteProtocolError(P2pregError):
    """The other side broke the rules. The only exception that comes out of a parser."""


class Refused(P2pregError):
    """A request that is well formed and not granted: an error code of the RPC contract with its dotted reason."""

    def __init__(self, code: int, reason: str, message: str, **data: object) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.data = {"reason": reason, **data}
