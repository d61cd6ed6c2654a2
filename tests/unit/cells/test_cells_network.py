"""The network file: its bytes, its name, and whom it lets in."""

from __future__ import annotations

import hashlib

import pytest
from cells_world import key, public, registry

from p2preg.base.errors import RemoteProtocolError
from p2preg.base.limits import NETWORK_BYTES_MAX, REGISTRIES_MAX, SLOTS_MAX, SPONSORS_MAX
from p2preg.cells import network as network_module
from p2preg.cells.network import NetworkFile, Open, Sponsored, Work, sponsor_message
from p2preg.crypto.keys import work_bits
from p2preg.crypto.verify import SignatureCheck, verify
from p2preg.wire import cbor

FILES = [
    NetworkFile.open("demo"),
    NetworkFile("a", {1: 60_000, 2: 120_000, 3: 60_000, 9: 1}, 1, 1, Work(64)),
    NetworkFile("fifteen-letters", max_registries=REGISTRIES_MAX, slots=SLOTS_MAX),
    NetworkFile("closed", admission=Sponsored((public("alice"), public("bob")))),
]


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_what_its_bytes_say(file: NetworkFile) -> None:
    assert NetworkFile.parse(file.encode()) == file
    assert NetworkFile.parse(file.encode()).network == file.network


@pytest.mark.parametrize("file", FILES)
def test_the_network_is_the_name_with_the_hash_of_the_file(file: NetworkFile) -> None:
    digest = hashlib.sha256(file.encode()).hexdigest()
    assert file.network == f"{file.name}-{digest[:16]}"
    assert len(file.network.encode()) <= NETWORK_BYTES_MAX


def test_a_name_alone_means_an_open_network_with_the_default_lives() -> None:
    file = NetworkFile.open("demo")
    assert (file.max_registries, file.slots, file.admission) == (1_024, 65_536, Open())
    assert file.lives == {1: 1_800_000, 2: 86_400_000, 3: 1_800_000}


def test_any_other_rule_is_another_network() -> None:
    assert len({NetworkFile("demo", slots=slots).network for slots in (1, 2, 3)}) == 3


@pytest.mark.parametrize("name", ["", "a" * 16, "Demo", "de mo", "dé", "demo\n", 7])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="1 to 15 characters"):
        NetworkFile.open(name)


def changed(**fields: object) -> bytes:
    return cbor.encode({**cbor.decode(NetworkFile.open("demo").encode()), **fields})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "canonical"),
        (cbor.encode([]), "a map of"),
        (cbor.encode({"name": "demo"}), "a map of"),
        (changed(extra=1), "a map of"),
        (changed(name="UPPER"), "1 to 15"),
        (changed(lives={1: 1, 2: 1}), "lives is a map"),
        (changed(lives={"1": 1}), "lives is a map"),
        (changed(lives=dict.fromkeys(range(33), 1)), "lives is a map"),
        (changed(lives={1: 1, 2: 0, 3: 1}), "the life of kind 2"),
        (changed(max_registries=0), "max_registries must be"),
        (changed(max_registries=REGISTRIES_MAX + 1), "max_registries must be"),
        (changed(slots=SLOTS_MAX + 1), "slots must be"),
        (changed(slots="many"), "slots must be"),
        (changed(admission=["work", 65]), "the bits of work"),
        (changed(admission=["work"]), "admission is"),
        (changed(admission=["sponsored", []]), "admission is"),
        (changed(admission=["sponsored", [b"short"]]), "admission is"),
        (changed(admission=["sponsored", [bytes(32), bytes(32)]]), "admission is"),
        (changed(admission=["sponsored", [n.to_bytes(32) for n in range(SPONSORS_MAX + 1)]]), "admission is"),
        (changed(admission="open"), "admission is"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_rule(data: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        NetworkFile.parse(data)


def test_as_many_sponsors_as_allowed_still_fit_a_frame() -> None:
    keys = tuple(number.to_bytes(32) for number in range(SPONSORS_MAX))
    assert NetworkFile.parse(NetworkFile("demo", admission=Sponsored(keys)).encode()).admission == Sponsored(keys)


def test_an_open_network_admits_anybody() -> None:
    assert NetworkFile.open("demo").admits(registry("mallory"))


def test_work_admits_a_key_with_enough_zero_bits_and_none_with_one_less() -> None:
    bits = work_bits(public("alice"))
    enough, too_much = (NetworkFile("demo", admission=Work(wanted)) for wanted in (bits, bits + 1))
    assert enough.admits(registry("alice", network=enough))
    assert not too_much.admits(registry("alice", network=too_much))


def sponsored(signer: str, named: str, registry_name: str, network: NetworkFile) -> list[bytes]:
    return [public(named), key(signer).sign(sponsor_message(network.network, public(registry_name)))]


def test_a_sponsored_network_admits_whom_a_listed_key_has_signed_and_nobody_else() -> None:
    file = NetworkFile("closed", admission=Sponsored((public("carol"), public("bob"))))
    other = NetworkFile("other", admission=file.admission)
    good = sponsored("bob", "bob", "alice", file)
    assert file.admits(registry("alice", network=file, sponsor=good))
    refused = [
        registry("mallory", network=file, sponsor=good),  # signed for alice
        registry("mallory", network=file, sponsor=sponsored("mallory", "mallory", "mallory", file)),
        registry("mallory", network=file, sponsor=sponsored("mallory", "bob", "mallory", file)),
        registry("alice", network=file, sponsor=sponsored("bob", "bob", "alice", other)),
        registry("alice", network=file, sponsor=[good[0], b"short"]),
        registry("alice", network=file, sponsor=b"bob"),
        registry("alice", network=file),
    ]
    assert [file.admits(cell) for cell in refused] == [False] * len(refused)


def test_a_sponsors_signature_is_checked_once_for_each_parsed_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SignatureCheck] = []

    def counting(check: SignatureCheck) -> bool:
        seen.append(check)
        return verify(check)

    monkeypatch.setattr(network_module, "verify", counting)
    file = NetworkFile("closed", admission=Sponsored((public("bob"),)))
    cell = registry("alice", network=file, sponsor=sponsored("bob", "bob", "alice", file))
    assert [file.admits(cell) for _ in range(3)] == [True] * 3
    assert len(seen) == 1
