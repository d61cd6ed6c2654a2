"""What can go wrong between a client and a registry. Each error says what was asked, of whom, and what came instead."""

from __future__ import annotations

from typing import Any

from p2preg.base.errors import P2pregError


class ClientError(P2pregError):
    """A call, a connection or a registration that came to nothing."""


class RpcError(ClientError):
    """The registry refused: `code` and dotted `reason` of the contract, its sentence, and `data` with the details."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        self.reason = str(self.data.get("reason", ""))

    def __str__(self) -> str:
        return f"{self.reason or self.code}: {self.message}"


class CannotConnect(ClientError):
    """No websocket with that registry could be had."""


class ConnectionLost(ClientError):
    """The websocket ended; what became of the calls under way is not known. `code`: of the close frame, if one came."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class CallTimeout(ClientError):
    """No answer came in time; whether the call was carried out is not known."""


class Untrusted(ClientError):
    """Whoever answered did not prove to be the registry that it claims to be, or is of another network."""


class Displaced(ClientError):
    """The node's key proved its presence elsewhere: two processes use one key, and the other one was later."""


class NotRunning(ClientError):
    """The node or watcher has ended, or was never started."""
