"""Cells: what is valid, what is not and why, and what follows from the bytes."""

from __future__ import annotations

import hashlib

import pytest
from cells_world import HOUR, MINUTE, NETWORK, T, advert, key, lease, proof, public, registry

from p2preg.base.limits import CELL_BYTES_MAX
from p2preg.cells.cell import (
    ADVERT,
    LEASE,
    REGISTRY,
    CellInvalid,
    CellUnknown,
    advert_key,
    lease_key,
    parse_cell,
    registry_key,
    sign_cell,
)
from p2preg.cells.lease import LeaseBody
from p2preg.cells.network import NetworkFile
from p2preg.crypto.verify import verify_all
from p2preg.wire import cbor
from p2preg.wire.envelope import open_envelope, sign_envelope

ALICE, BOB, CAROL = public("alice"), public("bob"), public("carol")


def fields(**changes: object) -> dict[int, object]:
    """The payload of an advert by carol for herself, with changes by field number (f5=…)."""
    base: dict[int, object] = {0: 1, 1: NETWORK.network, 2: CAROL, 3: ADVERT, 4: T, 5: {"kind": "sfu"}}
    return base | {int(name[1:]): value for name, value in changes.items()}


def raw(payload: object, signer: str = "carol") -> bytes:
    return sign_envelope(key(signer), cbor.encode(payload))


def reason(data: bytes) -> str:
    with pytest.raises(CellInvalid) as refused:
        parse_cell(data, NETWORK)
    return refused.value.reason


def test_a_cell_reads_as_it_was_signed() -> None:
    cell = advert("carol", "alice", region="eu-west")
    payload = open_envelope(cell.raw, bytes_max=CELL_BYTES_MAX).payload
    assert (cell.kind, cell.subject, cell.writer, cell.seq) == (ADVERT, CAROL, ALICE, T)
    assert cell.body == {"kind": "sfu", "region": "eu-west"}
    assert cell.hash == hashlib.sha256(payload).digest()
    assert cell.order == (T, cell.hash)
    assert (cell.slot, cell.proof) == (-1, None)
    assert parse_cell(cell.raw, NETWORK) == cell


def test_the_key_of_a_lease_is_its_homes_slot_and_of_the_others_subject_and_writer() -> None:
    assert registry("alice").key == b"\x01" + ALICE + ALICE == registry_key(ALICE)
    assert advert("carol", "alice").key == b"\x02" + CAROL + ALICE == advert_key(CAROL, ALICE)
    assert lease("carol", "alice", slot=258).key == b"\x03" + ALICE + bytes(6) + b"\x01\x02" == lease_key(ALICE, 258)
    assert lease("carol", "alice", slot=5).key == lease("bob", "alice", slot=5).key


def test_the_shard_comes_from_the_subject_and_the_element_from_key_seq_and_hash() -> None:
    cell = advert("carol", "alice")
    assert cell.shard == int.from_bytes(hashlib.sha256(CAROL).digest()) >> 244
    assert cell.element == hashlib.sha256(cell.key + T.to_bytes(8) + cell.hash).digest()
    assert lease("carol", "alice").shard == cell.shard


def test_a_cell_ends_when_the_life_of_its_kind_is_over_and_a_lease_by_its_proof() -> None:
    assert registry("alice").end_ms == T + 30 * MINUTE
    assert advert("carol").end_ms == T + 24 * HOUR
    assert lease("carol", "alice", proof_seq=T - MINUTE).end_ms == T + 29 * MINUTE
    short = NetworkFile("short", {REGISTRY: 1, ADVERT: 2, LEASE: 3})
    assert advert("carol", network=short).end_ms == T + 2


def test_the_signatures_to_check_are_the_writers_and_in_a_lease_the_nodes_for_this_home() -> None:
    (written,) = advert("carol", "alice").checks()
    assert written.public_key == ALICE
    written, present = lease("carol", "alice").checks()
    assert (written.public_key, present.public_key) == (ALICE, CAROL)
    assert verify_all([written, present]) == [True, True]


def test_a_proof_for_another_home_does_not_pass_the_checks() -> None:
    stolen = LeaseBody(0, 0, "serving", 1, proof("carol", "alice")).to_map()
    cell = sign_cell(key("mallory"), NETWORK, CAROL, LEASE, T, stolen)
    assert verify_all(cell.checks()) == [True, False]


def test_a_proof_by_another_node_does_not_pass_the_checks() -> None:
    stolen = LeaseBody(0, 0, "serving", 1, proof("mallory", "alice")).to_map()
    cell = sign_cell(key("alice"), NETWORK, CAROL, LEASE, T, stolen)
    assert verify_all(cell.checks()) == [True, False]


def test_a_cell_signed_by_another_than_the_writer_it_names_does_not_pass_the_checks() -> None:
    cell = parse_cell(raw(fields(), signer="mallory"), NETWORK)
    assert verify_all(cell.checks()) == [False]


@pytest.mark.parametrize("cell", [registry("alice"), advert("carol"), lease("carol", "alice")], ids=repr)
def test_any_changed_byte_is_refused_or_fails_the_checks(cell: object) -> None:
    good = parse_cell(cell.raw, NETWORK)  # type: ignore[attr-defined]
    for at in range(len(good.raw)):
        for flip in (0x01, 0x80):
            data = good.raw[:at] + bytes((good.raw[at] ^ flip,)) + good.raw[at + 1 :]
            try:
                changed = parse_cell(data, NETWORK)
            except (CellInvalid, CellUnknown):
                continue
            assert not all(verify_all(changed.checks())), f"byte {at}"
            assert changed.hash != good.hash or changed.raw[-64:] != good.raw[-64:]


def test_a_cell_has_at_most_four_kibibytes() -> None:
    room = CELL_BYTES_MAX - len(advert("carol", pad="x" * 3_000).raw)
    assert len(advert("carol", pad="x" * (3_000 + room)).raw) == CELL_BYTES_MAX
    with pytest.raises(CellInvalid) as refused:
        advert("carol", pad="x" * (3_001 + room))
    assert refused.value.reason == "cell.too_large"
    assert reason(bytes(CELL_BYTES_MAX + 1)) == "cell.too_large"


def test_a_cell_of_another_network_is_refused() -> None:
    assert reason(advert("carol", network=NetworkFile.open("other")).raw) == "cell.wrong_network"
    assert reason(raw(fields(f1=7))) == "cell.wrong_network"


def test_a_registry_cell_by_another_is_refused() -> None:
    assert reason(raw(fields(f3=REGISTRY, f6=ALICE), "alice")) == "cell.wrong_kind"


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {},
        {"0": 1},
        fields(f0="1"),
        fields(f7=0),
        {number: value for number, value in fields().items() if number != 4},
        fields(f2=b"short"),
        fields(f2="carol"),
        fields(f3=-1),
        fields(f3="advert"),
        fields(f4=-1),
        fields(f4=b""),
        fields(f5=[]),
        fields(f5={1: 2}),
        fields(f6=CAROL),
        fields(f6=b"short"),
        fields(f6=0),
    ],
    ids=str,
)
def test_a_payload_of_another_form_is_not_canonical(payload: object) -> None:
    assert reason(raw(payload)) == "cell.not_canonical"


def test_bytes_that_are_no_canonical_envelope_are_refused() -> None:
    good = advert("carol").raw
    padded = sign_envelope(key("carol"), cbor.encode(fields()).replace(b"\x00\x01", b"\x00\x18\x01", 1))
    for data in (b"", b"\xff", good[:-1], good + b"\0", b"\xd2" + good, padded):
        assert reason(data) == "cell.not_canonical"


UNKNOWN = [fields(f3=0), fields(f3=4), fields(f3=2**40), fields(f0=2), {0: 2, 9: "new"}]


@pytest.mark.parametrize("payload", UNKNOWN, ids=str)
def test_a_cell_of_an_unknown_kind_or_format_is_unknown_and_not_invalid(payload: object) -> None:
    with pytest.raises(CellUnknown):
        parse_cell(raw(payload), NETWORK)


def test_a_body_that_cannot_be_read_is_valid() -> None:
    assert parse_cell(raw(fields(f5={})), NETWORK).body == {}
    assert advert("carol", kind=7, endpoints="none").body["kind"] == 7
    assert registry("alice", rpc=-1).body["rpc"] == -1


def lease_raw(seq: int = T, **changes: object) -> bytes:
    body = LeaseBody(0, 0, "serving", 1, proof("carol", "alice")).to_map() | changes
    return raw(fields(f3=LEASE, f4=seq, f5=body, f6=ALICE), "alice")


def test_of_a_lease_only_slot_and_proof_must_be_readable() -> None:
    assert parse_cell(lease_raw(contact="gone", state=3, epoch=-1, later=[1]), NETWORK).slot == 0
    value = proof("carol", "alice").to_value()
    for changes in (
        {"slot": -1}, {"slot": "0"}, {"slot": []},
        {"proof": 0}, {"proof": value[:3]}, {"proof": [*value, 0]},
        {"proof": ["", *value[1:]]}, {"proof": ["a\0b", *value[1:]]}, {"proof": [value[0], b"short", *value[2:]]},
        {"proof": [*value[:2], -1, value[3]]}, {"proof": [*value[:3], b"short"]},
    ):  # fmt: skip
        assert reason(lease_raw(**changes)) == "cell.not_canonical", changes


@pytest.mark.parametrize(
    ("age_ms", "valid"), [(30 * MINUTE, False), (30 * MINUTE - 1, True), (-MINUTE, True), (-MINUTE - 1, False)]
)
def test_a_proof_is_less_than_half_an_hour_older_and_at_most_a_minute_newer_than_its_lease(
    age_ms: int, valid: bool
) -> None:
    data = lease_raw(seq=T + age_ms)
    if valid:
        assert parse_cell(data, NETWORK).end_ms == T + 30 * MINUTE
    else:
        assert reason(data) == "cell.not_canonical"


def test_a_slot_beyond_the_networks_limit_is_no_reason_to_call_a_lease_invalid() -> None:
    assert lease("carol", "alice", slot=2**64 - 1).slot == 2**64 - 1


def test_cells_are_equal_when_their_bytes_are() -> None:
    assert advert("carol") == advert("carol")
    assert advert("carol") != advert("carol", seq=T + 1)
    assert len({advert("carol"), advert("carol")}) == 1
