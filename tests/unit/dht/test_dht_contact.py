import hashlib

import pytest
from dht_people import person

from p2preg.base.errors import LocalProtocolError
from p2preg.dht.contact import Contact, prefix_of
from p2preg.dht.distance import distance, routing_id


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("10.1.2.3", "10.1.2.0/24"),
        ("2001:db8:1:2::9", "2001:db8:1::/48"),
        ("::2", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("registry.example", ""),
        ("", ""),
    ],
)
def test_the_prefix_of_an_address_is_its_24_or_48_and_loopback_and_names_have_none(host, prefix):
    assert prefix_of(host) == prefix


def test_a_routing_id_is_the_sha_256_of_the_key_and_the_distance_its_xor():
    assert routing_id(b"k" * 32) == hashlib.sha256(b"k" * 32).digest()
    assert distance(bytes(31) + b"\x06", bytes(31) + b"\x03") == 5


def test_an_ipv6_endpoint_has_its_host_in_brackets():
    assert Contact.of(b"k" * 32, "[2001:db8:1:2::9]:4010", b"cell").prefix == "2001:db8:1::/48"


def test_ids_of_another_length_make_no_contact():
    alice = person(1)
    with pytest.raises(LocalProtocolError, match="routing id has 32 bytes, got 33"):
        Contact(alice.public_key, b"\0" + alice.routing_id, alice.endpoint, "", b"")
    with pytest.raises(LocalProtocolError, match="public key has 32 bytes, got 31"):
        Contact.of(alice.public_key[1:], alice.endpoint, b"")
