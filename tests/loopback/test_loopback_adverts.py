"""Adverts that nodes sign themselves, built by hand: taken, attested everywhere, and refused when a byte is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from handmade import (
    DAY_MS,
    FULL,
    Key,
    advert_body,
    advert_payload,
    base64url,
    now_ms,
    signed_advert,
    signed_cell,
    version_by_hand,
)
from raw_client import RawClient, shown, until_shown


def attributes(region: str, **more: Any) -> dict[str, Any]:
    return {**FULL, "region": region, **more}


async def test_a_signed_advert_built_by_hand_is_taken_and_attested_by_the_node_everywhere(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.authenticate(key)
    seq = now_ms()
    advert = signed_advert(key, alice.hello["network"], attributes(region), seq=seq)
    result = await alice.call("node.register", advert=advert)
    assert (result["outcome"], result["advert_expires_ms"]) == ("created", seq + DAY_MS)
    node = await until_shown(bob, key.id)
    assert node["attested_by"] == "node"
    assert node["version"] == version_by_hand(key.id, attributes(region), "node", {"state": "serving"}, "live")
    assert {name: node[name] for name in attributes(region)} == attributes(region)
    assert (await alice.call("node.register", advert=advert))["outcome"] == "unchanged"
    newer = signed_advert(key, alice.hello["network"], attributes(region), seq=seq + 1)
    assert (await alice.call("node.register", advert=newer))["outcome"] == "unchanged"


async def test_a_self_signed_advert_stands_against_plain_attributes_which_are_warned(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.authenticate(key)
    await alice.call("node.register", advert=signed_advert(key, alice.hello["network"], attributes(region)))
    await until_shown(bob, key.id)
    for client in (alice, bob):
        result = await client.register(key, attributes(region, city="Elsewhere"))
        assert result["warnings"] == ["signed_advert_stands"]
        assert result["outcome"] == "unchanged"
        node = await shown(client, key.id)
        assert node is not None
        assert (node["attested_by"], node["city"]) == ("node", FULL["city"])


async def test_plain_attributes_give_way_to_a_signed_advert(alice: RawClient, bob: RawClient, region: str) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    advert = signed_advert(key, alice.hello["network"], attributes(region))
    assert (await alice.call("node.register", advert=advert))["outcome"] == "updated"
    await until_shown(bob, key.id, attested_by="node")


Spoil = Callable[[Key, str], bytes]


def _payload(**changes: Any) -> Spoil:
    return lambda key, network: signed_cell(key, advert_payload(key, network, FULL, **changes))


def _of_another_network(key: Key, network: str) -> bytes:
    return signed_cell(key, advert_payload(key, "other-0123456789abcdef", FULL))


def _forged(key: Key, network: str) -> bytes:
    return signed_cell(Key(), advert_payload(key, network, FULL))


def _altered(key: Key, network: str) -> bytes:
    protected, unprotected, payload, signature = cbor2.loads(signed_cell(key, advert_payload(key, network, FULL)))
    return cbor2.dumps([protected, unprotected, payload.replace(b"Amsterdam", b"Rotterdam"), signature])


def _unsorted(key: Key, network: str) -> bytes:
    payload = advert_payload(key, network, FULL)
    return _resigned(key, cbor2.dumps({name: payload[name] for name in reversed(payload)}))


def _long_integer(key: Key, network: str) -> bytes:
    encoded = cbor2.dumps(advert_payload(key, network, FULL), canonical=True)
    assert encoded[1:3] == b"\x00\x01"
    return _resigned(key, encoded[:2] + b"\x18\x01" + encoded[3:])


def _with_a_float(key: Key, network: str) -> bytes:
    payload = advert_payload(key, network, FULL)
    return _resigned(key, cbor2.dumps({**payload, 5: {**payload[5], "latitude_udeg": 1.5}}, canonical=True))


def _resigned(key: Key, payload: bytes) -> bytes:
    protected = bytes.fromhex("a10132")
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.dumps([protected, {}, payload, signature])


def _tagged(key: Key, network: str) -> bytes:
    return b"\xd2" + signed_cell(key, advert_payload(key, network, FULL))


def _trailing(key: Key, network: str) -> bytes:
    return signed_cell(key, advert_payload(key, network, FULL)) + b"\x00"


def _large(key: Key, network: str) -> bytes:
    labels = {f"label{n:02}": "x" * 128 for n in range(32)}
    return signed_cell(key, advert_payload(key, network, {**FULL, "labels": labels}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_forged, "cell.bad_signature"),
        (_altered, "cell.bad_signature"),
        (_unsorted, "cell.not_canonical"),
        (_long_integer, "cell.not_canonical"),
        (_with_a_float, "cell.not_canonical"),
        (_tagged, "cell.not_canonical"),
        (_trailing, "cell.not_canonical"),
        (lambda key, network: b"\x00", "cell.not_canonical"),
        (lambda key, network: b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "cell.not_canonical"),
        (_of_another_network, "cell.wrong_network"),
        (_payload(kind=1), "cell.wrong_kind"),
        (_payload(kind=9), "cell.wrong_kind"),
        (_payload(seq=1), "cell.expired"),
        (_large, "cell.too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
async def test_an_advert_that_is_no_good_is_refused_with_its_reason(
    alice: RawClient, spoil: Spoil, reason: str
) -> None:
    key = Key()
    await alice.authenticate(key)
    error = await alice.refused("node.register", advert=base64url(spoil(key, alice.hello["network"])))
    assert (error.code, error.reason) == (-32003, reason)
    assert await shown(alice, key.id) is None


async def test_an_advert_from_the_future_or_older_than_the_one_that_stands_is_refused(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.authenticate(key)
    network = alice.hello["network"]
    early = signed_advert(key, network, attributes(region), seq=now_ms() + 6 * 60_000)
    error = await alice.refused("node.register", advert=early)
    assert (error.code, error.reason) == (-32003, "cell.too_far_ahead")
    seq = now_ms()
    await alice.call("node.register", advert=signed_advert(key, network, attributes(region), seq=seq))
    await until_shown(bob, key.id)
    await bob.authenticate(key)
    for old in (seq, seq - 1_000):
        stale = signed_advert(key, network, attributes(region, city="Delft"), seq=old)
        error = await bob.refused("node.register", advert=stale)
        assert (error.code, error.reason, error.data["current_seq"]) == (-32003, "cell.stale", seq)


async def test_an_advert_of_somebody_else_is_refused(alice: RawClient) -> None:
    key, other = Key(), Key()
    await alice.authenticate(key)
    network = alice.hello["network"]
    assert (await alice.refused("node.register", advert=signed_advert(other, network, FULL))).reason == "auth.wrong_key"
    foreign = signed_advert(key, network, FULL, subject=other.public, writer=key.public)
    assert (await alice.refused("node.register", advert=foreign)).code in (-32001, -32003)


async def test_an_advert_whose_body_cannot_be_shown_is_refused(alice: RawClient) -> None:
    key = Key()
    await alice.authenticate(key)
    payload = advert_payload(key, alice.hello["network"], FULL)
    for body in ({}, {**payload[5], "kind": "toaster"}, {**payload[5], "latitude_udeg": 10**9}):
        error = await alice.refused("node.register", advert=base64url(signed_cell(key, {**payload, 5: body})))
        assert error.code == -32602
    for text in ("***", "abc=", "aGk\n"):
        assert (await alice.refused("node.register", advert=text)).code == -32602


async def test_plain_attributes_larger_than_an_advert_may_be_are_refused(alice: RawClient) -> None:
    await alice.authenticate(Key())
    large = {**FULL, "labels": {f"label{n:02}": "x" * 128 for n in range(32)}}
    assert len(cbor2.dumps(advert_body(large))) > 4_096
    error = await alice.refused("node.register", attributes=large)
    assert (error.code, error.reason) == (-32003, "cell.too_large")
