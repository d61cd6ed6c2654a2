"""Links between registries under Trio: addresses, mutual TLS 1.3, framing, back-pressure, one link per peer.

`Transport` is the door; the node's driver gives it a key, a Hello and a sink.
"""

from p2preg.net.config import LinkConfig
from p2preg.net.links import Sink
from p2preg.net.transport import Transport

__all__ = ["LinkConfig", "Sink", "Transport"]
