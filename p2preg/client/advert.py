"""A Media Node's description of itself, signed by its own key: the cell of kind advert (docs/rpc.md, Media Nodes).

Attributes are what people write, in degrees and hex; the body is what is signed, in integers and bytes."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from p2preg.base.errors import ConfigError
from p2preg.base.ids import ID_BYTES
from p2preg.base.limits import CBOR_DEPTH_MAX, CELL_BYTES_MAX
from p2preg.crypto.keys import IdentityKey
from p2preg.wire import cbor
from p2preg.wire.envelope import sign_envelope

FORMAT = 1
ADVERT_KIND = 2
MICRO = 1_000_000
PLACES = ("latitude", "longitude")
MANDATORY = ("kind", "endpoints", "codecs")
ATTRIBUTES = (
    *MANDATORY, "region", "country", "city", *PLACES, "asn", "network_type", "software", "features", "capacity",
    "operator", "labels",
)  # fmt: skip


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """`ConfigError` for a name that is no attribute, which in a signed advert nobody would notice, or one missing."""
    for name in attributes:
        if name not in ATTRIBUTES:
            raise ConfigError(f"attributes: there is no {name!r}; there are {', '.join(ATTRIBUTES)}")
    for name in MANDATORY:
        if name not in attributes:
            raise ConfigError(f"attributes: {name} is needed; {', '.join(MANDATORY)} always are")


def advert_body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The replicated form of `attributes`; `ConfigError` for what it cannot hold. The registry judges the rest."""
    check_attributes(attributes)
    body: dict[str, Any] = {}
    for name, value in attributes.items():
        if name in PLACES:
            body[f"{name}_udeg"] = _micro(value, name)
        elif name == "operator":
            body[name] = _operator(value)
        else:
            body[name] = _plain(value, name, 0)
    return body


def sign_advert(key: IdentityKey, network: str, body: Mapping[str, Any], seq: int) -> str:
    """The signed advert as `node.register` takes it; `ConfigError` when it is over 4 KiB. `seq`: Unix ms of issue."""
    payload = {0: FORMAT, 1: network, 2: key.public, 3: ADVERT_KIND, 4: seq, 5: dict(body)}
    advert = sign_envelope(key, cbor.encode(payload))
    if len(advert) > CELL_BYTES_MAX:
        raise ConfigError(f"attributes: signed they have at most {CELL_BYTES_MAX} bytes, got {len(advert)}")
    return base64.urlsafe_b64encode(advert).rstrip(b"=").decode()


class Advertiser:
    """Issues one node's adverts: the one that stands until it is time for the next, each seq above the last."""

    def __init__(self, key: IdentityKey, attributes: Mapping[str, Any]) -> None:
        self._key = key
        self._body = advert_body(attributes)
        self._last_seq = 0
        self._issued: tuple[str, int, str] | None = None  # network, seq, advert

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """From here on say this; `ConfigError` leaves everything as it was."""
        self._body = advert_body(attributes)
        self._issued = None

    def advert(self, network: str, now_ms: int) -> str:
        """The advert that stands, issued now if there is none."""
        if self._issued is None or self._issued[0] != network:
            seq = max(self._last_seq + 1, now_ms)
            self._issued = (network, seq, sign_advert(self._key, network, self._body, seq))
            self._last_seq = seq
        return self._issued[2]

    def is_due(self, expires_ms: int, now_ms: int) -> bool:
        """Whether over half the life of the advert that stands is over. A registry publishes a description that says
        the same only in the last 12 of its 24 h."""
        if self._issued is None:
            return True
        return expires_ms - now_ms < 0.45 * (expires_ms - self._issued[1])

    def renew(self, *, above: int | None = None) -> None:
        """The next advert will be a new one. `above`: a seq that the registry has seen; None: it was refused for its
        time, so the seqs so far do not count."""
        self._issued = None
        self._last_seq = 0 if above is None else max(self._last_seq, above)


def _micro(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"attributes: {name}: degrees as a number were expected, got {value!r}")
    # On the shortest decimal form, which is what its author wrote: 0.0000025 is a tie, although the float is not.
    return int((Decimal(repr(value)) * MICRO).to_integral_value(ROUND_HALF_EVEN))


def _operator(value: object) -> bytes:
    try:
        operator = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        operator = b""
    if len(operator) != ID_BYTES:
        raise ConfigError(f"attributes: operator: an id of {2 * ID_BYTES} hex digits was expected, got {value!r}")
    return operator


def _plain(value: Any, path: str, depth: int) -> Any:
    """A JSON value in the CBOR profile, which has no fractions, booleans or null."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, dict) and depth < CBOR_DEPTH_MAX:
        return {str(name): _plain(inner, f"{path}.{name}", depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple) and depth < CBOR_DEPTH_MAX:
        return [_plain(inner, f"{path}[{position}]", depth + 1) for position, inner in enumerate(value)]
    raise ConfigError(f"attributes: {path}: text, an integer, a list or an object was expected, got {value!r}")
