"""Turns any bytes into canonical CBOR that keeps their shape. Nearly all mutations of canonical bytes are not canonical
and end at the first check; repaired, they get through to what lies behind it."""

from __future__ import annotations

from p2preg.base.limits import CBOR_DEPTH_MAX
from p2preg.wire import cbor


def repaired(data: bytes) -> bytes:
    """Canonical CBOR that says what `data` comes nearest to saying; canonical CBOR comes out as it went in."""
    return cbor.encode(_Lenient(data).value(0))


class _Lenient:
    """Reads a value from any bytes: lengths end where the bytes do, tags are skipped, and simple values are numbers."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        self.at += len(taken)
        return taken

    @property
    def ended(self) -> bool:
        return self.at >= len(self.data)

    def head(self) -> tuple[int, int]:
        major, info = 6, 0
        while major == 6 and not self.ended:
            major, info = divmod(self.take(1)[0], 32)
            if info >= 24:
                info = int.from_bytes(self.take(1 << (info - 24) % 4))
        return major, info

    def value(self, containers: int) -> cbor.Value:
        major, number = self.head()
        if major == 1:
            return max(-1 - number, cbor.INT_MIN)
        if major == 2:
            return self.take(number)
        if major == 3:
            return self.take(number).decode(errors="replace")
        if major == 4 and containers < CBOR_DEPTH_MAX:
            return self.array(number, containers + 1)
        if major == 5 and containers < CBOR_DEPTH_MAX:
            return self.map(number, containers + 1)
        return number

    def array(self, length: int, containers: int) -> list[cbor.Value]:
        items: list[cbor.Value] = []
        while len(items) < length and not self.ended:
            items.append(self.value(containers))
        return items

    def map(self, length: int, containers: int) -> dict[cbor.Value, cbor.Value]:
        """Keys all become what the first of them is, or numbers by their place."""
        pairs: dict[cbor.Value, cbor.Value] = {}
        texts = False
        for place in range(length):
            if self.ended:
                break
            key = self.value(containers)
            texts = texts or (place == 0 and isinstance(key, str))
            if texts and not isinstance(key, str):
                key = str(place)
            elif not texts and not (isinstance(key, int) and key >= 0):
                key = place
            pairs[key] = self.value(containers)
        return pairs
