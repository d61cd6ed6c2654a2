"""The SDK: what Media Nodes (`MediaNode`) and Orchestrators (`Watcher`, `connect`) import. It runs under Trio."""

from p2preg.client.connection import Connection, connect
from p2preg.client.errors import (
    CallTimeout,
    CannotConnect,
    ClientError,
    ConnectionLost,
    Displaced,
    NotRunning,
    RpcError,
    Untrusted,
)
from p2preg.client.media_node import MediaNode, NodeEvent
from p2preg.client.session import Session, open_session
from p2preg.client.watcher import Watcher, WatchEvent

__all__ = [
    "CallTimeout",
    "CannotConnect",
    "ClientError",
    "Connection",
    "ConnectionLost",
    "Displaced",
    "MediaNode",
    "NodeEvent",
    "NotRunning",
    "RpcError",
    "Session",
    "Untrusted",
    "WatchEvent",
    "Watcher",
    "connect",
    "open_session",
]
