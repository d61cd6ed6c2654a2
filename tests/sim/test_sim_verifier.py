"""Signatures that cost little, and what they still refuse."""

from __future__ import annotations

import pytest

from p2preg.cells.cell import REGISTRY, sign_cell
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import SignatureCheck
from p2preg.sim import World
from p2preg.sim.clock import START_MS
from p2preg.sim.verifier import QuickKey, QuickVerifier, RememberingVerifier
from p2preg.wire.messages import PushCells

SAID = b"alice is here"
ALICE, BOB, MALLORY = (bytes([number]) * 32 for number in range(3))


def quick() -> tuple[QuickVerifier, QuickKey, QuickKey]:
    verifier = QuickVerifier()
    return verifier, verifier.key(ALICE), verifier.key(BOB)


def test_a_quick_signature_holds_for_what_was_signed_by_whom_it_was_signed() -> None:
    verifier, alice, bob = quick()
    signature = alice.sign(SAID)
    assert verifier(SignatureCheck(alice.public, SAID, signature))
    assert not verifier(SignatureCheck(alice.public, SAID + b"!", signature))
    assert not verifier(SignatureCheck(bob.public, SAID, signature))
    assert not verifier(SignatureCheck(alice.public, SAID, bob.sign(SAID)))


@pytest.mark.parametrize("length", [0, 1, 63])
def test_a_truncated_signature_is_refused(length: int) -> None:
    verifier, alice, _ = quick()
    assert not verifier(SignatureCheck(alice.public, SAID, alice.sign(SAID)[:length]))


def test_a_signature_with_a_changed_byte_is_refused() -> None:
    verifier, alice, _ = quick()
    signature = alice.sign(SAID)
    for at in range(len(signature)):
        forged = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        assert not verifier(SignatureCheck(alice.public, SAID, forged))


def test_ed25519_decides_for_keys_that_are_not_quick() -> None:
    verifier, alice, _ = quick()
    mallory = IdentityKey(MALLORY)
    assert verifier(SignatureCheck(mallory.public, SAID, mallory.sign(SAID)))
    assert not verifier(SignatureCheck(mallory.public, SAID, alice.sign(SAID)))
    assert not verifier(SignatureCheck(mallory.public, SAID, QuickKey(MALLORY).sign(SAID))), "nobody enrolled it"


def test_a_quick_identity_is_that_of_its_ed25519_key() -> None:
    _, alice, _ = quick()
    assert alice.public == IdentityKey(ALICE).public


def test_verdicts_are_remembered_each_for_its_own_claim() -> None:
    asked: list[SignatureCheck] = []

    def verify(check: SignatureCheck) -> bool:
        asked.append(check)
        return check.message == SAID

    verifier = RememberingVerifier(verify)
    good, bad = SignatureCheck(ALICE, SAID, b"s"), SignatureCheck(ALICE, b"no", b"s")
    assert [verifier(check) for check in (good, bad, good, bad)] == [True, False, True, False]
    assert asked == [good, bad]


def test_a_network_with_quick_signatures_takes_nothing_from_who_forges_them() -> None:
    world = World(1, quick_signatures=True)
    host, other = world.add_registries(2)
    [node] = world.register(host)
    mallory = world.add_stranger(IdentityKey(MALLORY))
    mallory.dial(host)
    world.run(3.0)
    real = sign_cell(world.key("carol"), world.network_file, world.key("carol").public, REGISTRY, START_MS, {})
    forged = real.raw[:-1] + bytes((real.raw[-1] ^ 1,))
    mallory.say(host, PushCells([forged]))
    world.run(3.0)
    assert host.node.held.get(real.key) is None
    assert not world.network.linked(mallory, host), "who sends a forgery is no peer"
    mallory_says = [entry.node_id for entry in other.node.registry.directory]
    assert mallory_says == [node.id]
