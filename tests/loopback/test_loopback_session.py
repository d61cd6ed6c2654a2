"""Sessions: who the registry says it is, and which logins it takes."""

from __future__ import annotations

import re
import secrets

import pytest
from cryptography.exceptions import InvalidSignature
from handmade import ATTRIBUTES, Key, hello_bytes, now_ms, verifies
from raw_client import RawClient, connect, eventually, until_shown
from registry_process import RegistryProcess


async def test_hello_says_who_the_registry_is_and_what_it_limits(
    three: list[RegistryProcess], alice: RawClient
) -> None:
    hello = await alice.call("session.hello", agent="acceptance tests")
    assert hello["registry_id"] == three[0].registry_id
    assert hello["rpc"] == three[0].rpc
    assert hello["version"]
    assert re.fullmatch(r".+-[0-9a-f]{16}", hello["network"])
    assert re.fullmatch(r"[0-9a-f]{64}", hello["server_nonce"])
    assert abs(hello["time_ms"] - now_ms()) < 5_000
    assert hello["epoch"] > 0
    limits = hello["limits"]
    assert set(limits) >= {"message_bytes", "batch", "in_flight", "subscriptions", "queue_events", "keys"}
    assert limits["keys"] >= 10_000


async def test_hello_is_signed_when_a_nonce_was_given_and_only_then(alice: RawClient, bob: RawClient) -> None:
    nonce = secrets.token_hex(32)
    hello = await alice.call("session.hello", client_nonce=nonce)
    verifies(hello["registry_id"], hello["signature"], hello_bytes(hello, nonce))
    with pytest.raises(InvalidSignature):
        verifies(hello["registry_id"], hello["signature"], hello_bytes(hello, secrets.token_hex(32)))
    assert "signature" not in await bob.call("session.hello")


async def test_hello_names_registries_to_fail_over_to(three: list[RegistryProcess]) -> None:
    async def names_the_others() -> bool:
        async with connect(three[0].rpc) as client:
            peers = {peer["registry_id"]: peer["rpc"] for peer in (await client.greet())["peers"]}
        return peers == {other.registry_id: other.rpc for other in three[1:]}

    await eventually(names_the_others, "hello names both other registries")


async def test_a_second_hello_is_refused_and_each_session_has_its_own_nonce(alice: RawClient, bob: RawClient) -> None:
    first = await alice.greet()
    assert (await alice.refused("session.hello")).code < 0
    assert first["server_nonce"] != (await bob.greet())["server_nonce"]
    await alice.authenticate(Key())


@pytest.mark.parametrize("nonce", ["00" * 31, "00" * 33, "0G" * 32, "AB" * 32, 7])
async def test_a_client_nonce_is_32_bytes_in_lowercase_hex(alice: RawClient, nonce: object) -> None:
    error = await alice.refused("session.hello", client_nonce=nonce)
    assert (error.code, error.data["path"]) == (-32602, "$.client_nonce")
    await alice.greet()  # what was refused was no hello


async def test_authenticate_before_hello_is_refused(alice: RawClient) -> None:
    params = {"role": "node", "public_key": "00" * 32, "authority": "localhost:1", "seq": 1, "signature": "00" * 64}
    error = await alice.refused("session.authenticate", **params)
    assert (error.code, error.reason) == (-32001, "auth.required")


async def test_reading_needs_neither_hello_nor_login(alice: RawClient) -> None:
    for method, params in (
        ("rpc.ping", {}), ("rpc.discover", {}), ("nodes.list", {}), ("nodes.get", {"node_ids": []}),
        ("nodes.select", {}), ("nodes.facets", {"by": ["region"]}), ("nodes.subscribe", {}), ("registry.info", {}),
        ("registry.peers", {}), ("registry.lookup", {"target": "00" * 32}),
    ):  # fmt: skip
        await alice.call(method, **params)


async def test_a_login_answers_with_the_key_that_it_proved(alice: RawClient) -> None:
    key = Key()
    assert (await alice.authenticate(key))["client_id"] == key.id
    client = Key()
    assert (await alice.authenticate(client, role="client"))["client_id"] == client.id


# --- the authority ------------------------------------------------------------------------------------------------


async def test_any_loopback_name_with_the_right_port_is_an_authority(alice: RawClient) -> None:
    port = alice.authority.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2"):
        await alice.authenticate(Key(), authority=f"{host}:{port}")


async def test_a_proof_for_another_registry_is_refused_so_no_relay_can_log_in(
    three: list[RegistryProcess], alice: RawClient
) -> None:
    await alice.greet()
    port = alice.authority.rpartition(":")[2]
    for authority in (
        three[1].authority, f"example.org:{port}", "127.0.0.1", f"127.0.0.1:{port}0", f"LOCALHOST:{port}",
        f"localhost:{port}.", f"127.0.0.1.example.org:{port}", "", ":",
        f"ws://{alice.authority}", f"localhost\0:{port}",
    ):  # fmt: skip
        error = await alice.refused("session.authenticate", **alice.login(Key(), authority=authority))
        assert (error.code, error.reason) == (-32001, "auth.wrong_authority"), authority


# --- the clock ----------------------------------------------------------------------------------------------------


async def test_a_seq_outside_of_a_minute_ahead_and_five_behind_is_answered_with_the_registrys_time(
    alice: RawClient,
) -> None:
    await alice.greet()
    for off_ms in (75_000, 3_600_000, -315_000, -(10**9)):
        error = await alice.refused("session.authenticate", **alice.login(Key(), seq=now_ms() + off_ms))
        assert (error.code, error.reason) == (-32001, "auth.clock")
        assert abs(error.data["time_ms"] - now_ms()) < 5_000
    for off_ms in (45_000, -285_000):
        await alice.authenticate(Key(), seq=now_ms() + off_ms)
        await alice.authenticate(Key(), role="client", seq=now_ms() + off_ms)


async def test_a_seq_beyond_what_json_numbers_hold_is_refused(alice: RawClient) -> None:
    await alice.greet()
    for seq in (-1, 2**53, 2**64, 1.5, "1"):
        error = await alice.refused("session.authenticate", **(alice.login(Key()) | {"seq": seq}))
        assert error.code in (-32602, -32001), seq


# --- the signature ------------------------------------------------------------------------------------------------


async def test_a_signature_by_another_key_or_over_other_bytes_is_refused(alice: RawClient, bob: RawClient) -> None:
    key, mallory = Key(), Key()
    await alice.greet()
    await bob.greet()
    good = alice.login(key)
    for params in (
        good | {"signature": mallory.sign(b"anything").hex()},
        good | {"public_key": mallory.id},
        good | {"seq": good["seq"] + 1},
        good | {"signature": good["signature"][:-2] + ("00" if good["signature"][-2:] != "00" else "01")},
        good | {"public_key": "00" * 32},
        good | {"public_key": "01" + "00" * 31},
        good | {"public_key": "ff" * 32},
        bob.login(key, authority=alice.authority),
        alice.login(key, prefix=b"p2preg-auth-1"),
        alice.login(key, role="client", prefix=b"p2preg-presence-1"),
        alice.login(key) | {"role": "client"},
        alice.login(key, role="client") | {"role": "node"},
    ):
        error = await alice.refused("session.authenticate", **params)
        assert (error.code, error.reason) == (-32001, "auth.bad_signature"), params
    assert (await alice.refused("node.resume")).reason == "auth.required"


async def test_a_proof_of_an_earlier_session_does_not_log_in_again(three: list[RegistryProcess]) -> None:
    key = Key()
    async with connect(three[0].rpc) as first, connect(three[0].rpc) as second:
        await first.greet()
        await second.greet()
        error = await second.refused("session.authenticate", **first.login(key))
        assert error.reason == "auth.bad_signature"


# --- seqs ---------------------------------------------------------------------------------------------------------


async def test_a_node_may_authenticate_again_with_a_greater_seq_only(alice: RawClient) -> None:
    key = Key()
    seq = key.next_seq()
    await alice.authenticate(key, seq=seq)
    for stale in (seq, seq - 1):
        error = await alice.refused("session.authenticate", **alice.login(key, seq=stale))
        assert (error.code, error.reason, error.data["current_seq"]) == (-32001, "auth.stale", seq)
    await alice.authenticate(key, seq=seq + 1)


async def test_a_proof_older_than_that_of_a_lease_from_any_home_is_stale(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    await alice.greet()
    await bob.greet()
    seq = key.next_seq()
    await alice.authenticate(key, seq=seq)
    await alice.call("node.register", attributes={**ATTRIBUTES, "region": region})
    await until_shown(bob, key.id)
    for client in (alice, bob):
        error = await client.refused("session.authenticate", **client.login(key, seq=seq))
        assert (error.reason, error.data["current_seq"]) == ("auth.stale", seq)
    await bob.authenticate(key)


async def test_a_clients_login_may_be_repeated_and_never_becomes_a_lease(alice: RawClient) -> None:
    key = Key()
    seq = key.next_seq()
    await alice.authenticate(key, role="client", seq=seq)
    await alice.authenticate(key, role="client", seq=seq)
    error = await alice.refused("node.register", attributes=ATTRIBUTES)
    assert (error.code, error.reason) == (-32001, "auth.required")


# --- several keys -------------------------------------------------------------------------------------------------


async def test_a_session_with_several_keys_says_for_which_it_writes(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    keys = [Key(), Key(), Key()]
    for key in keys[:2]:
        await alice.authenticate(key)
    attributes = {**ATTRIBUTES, "region": region}
    error = await alice.refused("node.register", attributes=attributes)
    assert (error.code, error.data["path"]) == (-32602, "$.node_id")
    error = await alice.refused("node.register", node_id=keys[2].id, attributes=attributes)
    assert (error.code, error.reason) == (-32001, "auth.wrong_key")
    for key in keys[:2]:
        assert (await alice.call("node.register", node_id=key.id, attributes=attributes))["node_id"] == key.id
        await until_shown(bob, key.id, contact="live")
    assert (await alice.call("node.drain", node_id=keys[0].id, level="cordoned"))["state"] == "cordoned"
    await until_shown(bob, keys[0].id, state="cordoned")
    await until_shown(bob, keys[1].id, state="serving")


async def test_a_role_other_than_node_and_client_is_refused(alice: RawClient) -> None:
    await alice.greet()
    error = await alice.refused("session.authenticate", **(alice.login(Key()) | {"role": "registry"}))
    assert (error.code, error.data["path"]) == (-32602, "$.role")
