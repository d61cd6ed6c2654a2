"""The first words of a session: whose registry it is, and proofs that fit its clock and what it knows."""

from typing import Any

import pytest
from client_registry import NETWORK, FakeRegistry, Refusal, Visitor, running

from p2preg.client import RpcError, Untrusted, open_session
from p2preg.client.proving import Prover, unix_ms
from p2preg.client.session import PROOFS_MAX
from p2preg.crypto.keys import IdentityKey

BOB = IdentityKey(b"bob".ljust(32, b"."))
MALLORY = IdentityKey(b"mallory".ljust(32, b"."))


async def test_hello_carries_a_nonce_and_tells_who_the_registry_is() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), open_session(alice.url) as session:
        assert (session.registry_id, session.hello.network) == (alice.registry_id, NETWORK)
        assert len(bytes.fromhex(alice.calls[0][1]["client_nonce"])) == 32


async def test_a_registry_that_cannot_sign_for_the_id_it_claims_is_not_trusted() -> None:
    alice = FakeRegistry("alice")

    def claim_to_be_mallory(params: Any, visitor: Visitor) -> Any:
        return {**alice.on_session_hello(params, visitor), "registry_id": MALLORY.public.hex()}

    alice.handlers["session.hello"] = claim_to_be_mallory
    async with running(alice):
        with pytest.raises(Untrusted, match="signature in its hello"):
            async with open_session(alice.url):
                pass


@pytest.mark.parametrize("missing", ["signature", "server_nonce", "network"])
async def test_a_hello_without_its_parts_is_not_trusted(missing: str) -> None:
    alice = FakeRegistry("alice")

    def leave_out(params: Any, visitor: Visitor) -> Any:
        return {name: value for name, value in alice.on_session_hello(params, visitor).items() if name != missing}

    alice.handlers["session.hello"] = leave_out
    async with running(alice):
        with pytest.raises(Untrusted, match=missing):
            async with open_session(alice.url):
                pass


async def test_a_node_proves_its_presence_over_network_address_registry_and_nonce() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), open_session(alice.url) as session:
        await session.authenticate(Prover(BOB), "node")
        [login] = alice.visitors[0].logins
        assert login["authority"] == alice.authority
        assert alice.proof_holds(alice.visitors[0], login["public_key"], login["seq"], login["signature"])
        assert abs(login["seq"] - unix_ms()) < 10_000


async def test_a_client_login_is_no_proof_of_presence() -> None:
    alice = FakeRegistry("alice")
    async with running(alice), open_session(alice.url) as session:
        await session.authenticate(Prover(BOB), "client")
        [login] = alice.visitors[0].logins
        assert not alice.proof_holds(alice.visitors[0], login["public_key"], login["seq"], login["signature"])


async def test_the_clock_of_a_registry_that_refuses_ours_is_used_from_then_on() -> None:
    alice = FakeRegistry("alice")
    theirs = unix_ms() - 3_600_000

    def an_hour_behind(params: Any, visitor: Visitor) -> Any:
        if params["seq"] > theirs + 60_000:
            raise Refusal(-32001, "auth.clock", time_ms=theirs)
        return {"client_id": params["public_key"]}

    alice.handlers["session.authenticate"] = an_hour_behind
    async with running(alice), open_session(alice.url) as session:
        proof = await session.authenticate(Prover(BOB), "node")
        assert theirs <= proof.seq < theirs + 10_000
        assert session.now_ms() < theirs + 10_000


async def test_a_stale_proof_is_given_again_above_what_the_registry_knows() -> None:
    alice = FakeRegistry("alice")
    known = unix_ms() + 30_000

    def knows_a_newer_one(params: Any, visitor: Visitor) -> Any:
        if params["seq"] <= known:
            raise Refusal(-32001, "auth.stale", current_seq=known)
        return {"client_id": params["public_key"]}

    alice.handlers["session.authenticate"] = knows_a_newer_one
    async with running(alice), open_session(alice.url) as session:
        assert (await session.authenticate(Prover(BOB), "node")).seq == known + 1


async def test_each_proof_of_a_key_is_greater_than_the_last_at_whichever_registry() -> None:
    alice, carol, prover = FakeRegistry("alice"), FakeRegistry("carol"), Prover(BOB)
    seqs = []
    async with running(alice, carol):
        for registry in (alice, carol, alice):
            async with open_session(registry.url) as session:
                seqs.append((await session.authenticate(prover, "node")).seq)
    assert seqs == sorted(set(seqs))


@pytest.mark.parametrize("reason", ["auth.clock", "auth.stale"])
async def test_a_registry_that_is_never_satisfied_is_given_up(reason: str) -> None:
    alice = FakeRegistry("alice")

    def never(params: Any, visitor: Visitor) -> None:
        raise Refusal(-32001, reason, time_ms=1, current_seq=params["seq"])

    alice.handlers["session.authenticate"] = never
    async with running(alice), open_session(alice.url) as session:
        with pytest.raises(RpcError, match=reason):
            await session.authenticate(Prover(BOB), "node")
    assert alice.methods.count("session.authenticate") == PROOFS_MAX


async def test_another_refusal_is_not_argued_with() -> None:
    alice = FakeRegistry("alice")

    def refuse(params: Any, visitor: Visitor) -> None:
        raise Refusal(-32001, "auth.not_admitted")

    alice.handlers["session.authenticate"] = refuse
    async with running(alice), open_session(alice.url) as session:
        with pytest.raises(RpcError, match=r"auth\.not_admitted"):
            await session.authenticate(Prover(BOB), "node")
    assert alice.methods.count("session.authenticate") == 1
