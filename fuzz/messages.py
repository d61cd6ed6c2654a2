"""Target: the body of a frame between registries."""

from __future__ import annotations

from fuzz.repair import repaired
from p2preg.base.errors import RemoteProtocolError
from p2preg.wire.messages import decode_message, encode_message


def one_input(data: bytes) -> None:
    """A frame body is a message that survives being sent again in no more bytes, an unknown one, or refused."""
    for body in (data, repaired(data)):
        try:
            message = decode_message(body)
        except RemoteProtocolError:
            continue
        if message is not None:
            again = encode_message(message)
            assert decode_message(again) == message
            assert len(again) <= len(body)
