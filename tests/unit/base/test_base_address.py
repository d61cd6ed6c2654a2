"""Addresses: what is read, what is refused, and which of them count as one network."""

import pytest

from p2preg.base.address import Address, parse_address, prefix_of
from p2preg.base.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4010", Address("127.0.0.1", 4010)),
        ("[::1]:0", Address("::1", 0)),
        ("[2001:DB8::0:1]:65535", Address("2001:db8::1", 65535)),
        ("registry.example:4010", Address("registry.example", 4010)),
        ("localhost:1", Address("localhost", 1)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "4010", ":4010", "host", "host:", "host:x", "host:-1", "host:65536", "host:123456", "::1:4010",
        "[::1]", "[::1]4010", "[]:1", "[1.2.3.4]:1", "[::g]:1", "[fe80::1%eth0]:1", "1.2.3:1", "256.1.1.1:1",
        "a..b:1", "a b:1", "host:1\n", "http://host:1", "ho\u00dft:1", "host:\u0661", f"{'x' * 64}:1",
        ".".join(["abcdefg"] * 33) + ":1",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ConfigError, match=r"address|port"):
        parse_address(text)


def test_a_wildcard_is_every_address_of_the_machine() -> None:
    assert parse_address("0.0.0.0:1").is_wildcard
    assert parse_address("[::]:1").is_wildcard
    assert not parse_address("127.0.0.1:1").is_wildcard
    assert not parse_address("example.org:1").is_wildcard


def test_loopback_is_known_by_number_and_by_name() -> None:
    for text in ("127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "LocalHost:1"):
        assert parse_address(text).is_loopback, text
    assert not parse_address("128.0.0.1:1").is_loopback


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("192.0.2.7:1", "192.0.2.0/24"),
        ("[::ffff:192.0.2.7]:1", "192.0.2.0/24"),
        ("[2001:db8:1:2::3]:1", "2001:db8:1::/48"),
        ("Registry.Example:1", "registry.example"),
        ("127.0.0.1:1", ""),
        ("[::1]:1", ""),
    ],
)
def test_a_prefix_is_what_one_operator_may_hold_whole(text: str, prefix: str) -> None:
    assert prefix_of(parse_address(text)) == prefix


def test_the_scope_that_a_socket_reports_does_not_matter() -> None:
    assert prefix_of(Address("fe80::1%eth0", 1)) == "fe80::/48"
