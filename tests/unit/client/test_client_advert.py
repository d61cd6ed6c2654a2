"""Descriptions that a node signs itself: what is signed, in which units, and when it is signed anew."""

import base64
from typing import Any

import msgspec
import pytest

from p2preg.base.errors import ConfigError
from p2preg.cells.cell import ADVERT, parse_cell
from p2preg.cells.network import NetworkFile
from p2preg.client.advert import ATTRIBUTES, Advertiser, advert_body
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import verify
from p2preg.registry import attributes as registry_attributes

BOB = IdentityKey(b"bob".ljust(32, b"."))
NETWORK = NetworkFile.open("test")
PLAIN: dict[str, Any] = {
    "kind": "sfu",
    "endpoints": [{"purpose": "signalling", "url": "wss://sfu.example/ws"}],
    "codecs": ["audio/opus", "video/VP8"],
}
FULL: dict[str, Any] = {
    **PLAIN,
    "region": "eu-west",
    "country": "NL",
    "city": "Amsterdam",
    "latitude": 52.3676,
    "longitude": -0.0000025,
    "asn": 1136,
    "network_type": "datacenter",
    "software": {"name": "sfu", "version": "1.2"},
    "features": ["simulcast"],
    "capacity": {"max_participants": 500, "uplink_bps": 1e9},
    "operator": "ab" * 32,
    "labels": {"tier": "gold"},
}
DAY_MS = 86_400_000


def test_the_body_is_the_one_that_a_home_would_sign() -> None:
    plain = {**FULL, "capacity": {"max_participants": 500, "uplink_bps": 10**9}}
    theirs = registry_attributes.body_of(msgspec.convert(plain, registry_attributes.Attributes))
    assert advert_body(FULL) == theirs
    assert theirs["longitude_udeg"] == -2  # a tie goes to the even one


def test_every_attribute_of_the_contract_is_known() -> None:
    assert sorted(ATTRIBUTES) == sorted(registry_attributes.Attributes.__struct_fields__)


def test_an_advert_is_a_valid_cell_by_the_node_itself() -> None:
    advert = Advertiser(BOB, FULL).advert(NETWORK.network, 1_700_000_000_000)
    cell = parse_cell(base64.urlsafe_b64decode(advert + "=" * (-len(advert) % 4)), NETWORK)
    assert (cell.kind, cell.subject, cell.writer, cell.seq) == (ADVERT, BOB.public, BOB.public, 1_700_000_000_000)
    assert all(verify(check) for check in cell.checks())
    registry_attributes.read_body(cell.body)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"regoin": "eu"}, "there is no 'regoin'"),
        ({"kind": None}, "kind"),
        ({"latitude": "52"}, "latitude: degrees"),
        ({"latitude": float("nan")}, "latitude: degrees"),
        ({"longitude": True}, "longitude: degrees"),
        ({"operator": "ab"}, "64 hex digits"),
        ({"operator": 7}, "64 hex digits"),
        ({"capacity": {"cores": 1.5}}, r"capacity\.cores"),
        ({"features": ["a", None]}, r"features\[1\]"),
        ({"labels": {"a": "b" * 5_000}}, "4096 bytes"),
    ],
)
def test_what_an_advert_cannot_say_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Advertiser(BOB, {**PLAIN, **change}).advert(NETWORK.network, 1)


@pytest.mark.parametrize("missing", ["kind", "endpoints", "codecs"])
def test_what_is_mandatory_is_asked_for(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing} is needed"):
        advert_body({name: value for name, value in PLAIN.items() if name != missing})


def test_one_advert_serves_every_registry_until_over_half_its_life_is_over() -> None:
    advertiser = Advertiser(BOB, PLAIN)
    first = advertiser.advert(NETWORK.network, 1_000)
    assert advertiser.advert(NETWORK.network, 2_000) == first
    assert not advertiser.is_due(1_000 + DAY_MS, 1_000 + DAY_MS // 2)
    assert advertiser.is_due(1_000 + DAY_MS, 1_000 + DAY_MS * 6 // 10)


def test_seqs_grow_also_when_the_clock_does_not() -> None:
    def seq(advert: str) -> int:
        return parse_cell(base64.urlsafe_b64decode(advert + "=" * (-len(advert) % 4)), NETWORK).seq

    advertiser = Advertiser(BOB, PLAIN)
    assert seq(advertiser.advert(NETWORK.network, 1_000)) == 1_000
    advertiser.describe(FULL)
    assert seq(advertiser.advert(NETWORK.network, 500)) == 1_001
    advertiser.renew(above=5_000)
    assert seq(advertiser.advert(NETWORK.network, 2_000)) == 5_001
    advertiser.renew()
    assert seq(advertiser.advert(NETWORK.network, 2_500)) == 2_500


def test_a_description_that_cannot_be_leaves_the_old_one_standing() -> None:
    advertiser = Advertiser(BOB, PLAIN)
    first = advertiser.advert(NETWORK.network, 1_000)
    with pytest.raises(ConfigError):
        advertiser.describe({"kind": "sfu"})
    assert advertiser.advert(NETWORK.network, 2_000) == first
