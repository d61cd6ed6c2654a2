"""Registering a media node at one registry and finding it at the others: descriptions, adverts, proofs, homes."""

from __future__ import annotations

from typing import Any

import pytest
from handmade import (
    ATTRIBUTES,
    DAY_MS,
    FULL,
    HALF_HOUR_MS,
    Key,
    now_ms,
    signed_advert,
    version_by_hand,
)
from raw_client import RawClient, connect, eventually, shown, until_shown
from registry_process import RegistryProcess


def attributes(region: str, **more: Any) -> dict[str, Any]:
    return {**FULL, "region": region, **more}


# --- plain attributes ---------------------------------------------------------------------------------------------


async def test_a_node_registered_at_one_registry_is_shown_by_all_with_all_that_it_said(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    key = Key()
    before = now_ms()
    result = await alice.register(key, attributes(region))
    assert (result["node_id"], result["outcome"], result["state"]) == (key.id, "created", "serving")
    assert (result["registry_id"], result["epoch"]) == (three[0].registry_id, alice.hello["epoch"])
    assert (result["observed_address"], result["warnings"]) == ("127.0.0.1", [])
    assert abs(result["lease"]["expires_ms"] - before - HALF_HOUR_MS) < 5_000
    assert 0 < result["lease"]["renew_after_s"] < 1_800
    assert abs(result["advert_expires_ms"] - before - DAY_MS) < 5_000
    version = version_by_hand(key.id, attributes(region), "registry", {"state": "serving"}, "live")
    wanted = {
        "node_id": key.id, "version": version, "attested_by": "registry", "state": "serving", "contact": "live",
        "allocatable": True, "home": three[0].registry_id, **attributes(region),
    }  # fmt: skip
    for client in (alice, bob, carol):
        assert await until_shown(client, key.id) == wanted
        listed = await client.call("nodes.list", filter={"eq": ["region", region]})
        assert (listed["nodes"], listed["total"]) == ([wanted], 1)


async def test_the_own_registry_shows_what_it_acknowledged_at_once(alice: RawClient, region: str) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    assert await shown(alice, key.id) is not None


async def test_the_outcome_says_whether_the_description_is_new(alice: RawClient, bob: RawClient, region: str) -> None:
    key = Key()
    assert (await alice.register(key, attributes(region)))["outcome"] == "created"
    first = await until_shown(bob, key.id)
    assert (await alice.call("node.register", attributes=attributes(region)))["outcome"] == "unchanged"
    assert await shown(bob, key.id) == first
    assert (await alice.call("node.register", attributes=attributes(region, city="Delft")))["outcome"] == "updated"
    updated = await until_shown(bob, key.id, city="Delft")
    assert updated["version"] != first["version"]
    assert (await bob.register(key, attributes(region, city="Delft")))["outcome"] == "unchanged"


async def test_a_first_registration_may_ask_for_starting(alice: RawClient, bob: RawClient, region: str) -> None:
    key = Key()
    assert (await alice.register(key, attributes(region), state="starting"))["state"] == "starting"
    assert (await until_shown(bob, key.id, state="starting"))["allocatable"] is False
    assert (await alice.call("node.register", attributes=attributes(region)))["state"] == "starting"
    assert await alice.call("node.resume") == {"state": "serving"}
    assert (await until_shown(bob, key.id, state="serving"))["allocatable"] is True
    assert (await alice.refused("node.register", attributes=FULL, state="cordoned")).code == -32602


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": None}, "$.attributes.kind"),
        ({"kind": "toaster"}, "$.attributes.kind"),
        ({"endpoints": []}, "$.attributes.endpoints"),
        ({"endpoints": [{"purpose": "x", "url": "a:b"}]}, "$.attributes.endpoints[0].purpose"),
        ({"endpoints": [{"purpose": "whip"}]}, "$.attributes.endpoints[0]"),
        ({"endpoints": [{"purpose": "whip", "url": "a:b", "x": 1}]}, "$.attributes.endpoints[0].x"),
        ({"codecs": None}, "$.attributes.codecs"),
        ({"country": "Netherlands"}, "$.attributes.country"),
        ({"latitude": 91}, "$.attributes.latitude"),
        ({"longitude": -181}, "$.attributes.longitude"),
        ({"asn": -1}, "$.attributes.asn"),
        ({"network_type": "tin can"}, "$.attributes.network_type"),
        ({"capacity": {"max_participants": 1.5}}, "$.attributes.capacity.max_participants"),
        ({"capacity": {"max_participants": -1}}, "$.attributes.capacity.max_participants"),
        ({"capacity": {"cups": 1}}, "$.attributes.capacity.cups"),
        ({"operator": "AB" * 32}, "$.attributes.operator"),
        ({"labels": {f"label{n}": "x" for n in range(33)}}, "$.attributes.labels"),
        ({"labels": {"a": 1}}, "$.attributes.labels[...]"),
        ({"state": "serving"}, "$.attributes.state"),
        ({"colour": "red"}, "$.attributes.colour"),
    ],
    ids=str,
)
async def test_attributes_that_are_wrong_are_refused_with_their_path(
    alice: RawClient, change: dict[str, Any], path: str
) -> None:
    await alice.authenticate(Key())
    error = await alice.refused("node.register", attributes={**FULL, **change})
    assert (error.code, error.data["path"]) == (-32602, path)


@pytest.mark.parametrize("missing", ["kind", "endpoints", "codecs"])
async def test_kind_endpoints_and_codecs_are_mandatory(alice: RawClient, missing: str) -> None:
    await alice.authenticate(Key())
    error = await alice.refused("node.register", attributes={n: v for n, v in ATTRIBUTES.items() if n != missing})
    assert error.code == -32602
    assert missing in str(error)


async def test_advert_and_attributes_are_alternatives(alice: RawClient) -> None:
    key = Key()
    await alice.authenticate(key)
    advert = signed_advert(key, alice.hello["network"], FULL)
    assert (await alice.refused("node.register")).code == -32602
    assert (await alice.refused("node.register", attributes=FULL, advert=advert)).code == -32602


async def test_places_are_rounded_half_to_even_to_micro_degrees(alice: RawClient, bob: RawClient, region: str) -> None:
    key = Key()
    await alice.register(key, attributes(region, latitude=2.0000005, longitude=-2.0000015))
    node = await until_shown(bob, key.id)
    assert (node["latitude"], node["longitude"]) == (2.0, -2.000002)


async def test_text_that_is_half_a_surrogate_pair_is_refused_and_the_session_goes_on(alice: RawClient) -> None:
    await alice.authenticate(Key())
    text = '{"jsonrpc":"2.0","id":1,"method":"node.register","params":{"attributes":{"city":"\\ud800"}}}'
    assert "error" in await alice.ask(text)
    assert "time_ms" in await alice.call("rpc.ping")


# --- renewing and moving ------------------------------------------------------------------------------------------


async def test_a_renewal_moves_the_end_of_the_lease_and_is_no_change_for_anyone(
    alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    registered = await alice.register(key, attributes(region))
    node = await until_shown(bob, key.id)
    seq = key.next_seq()
    renewed = await alice.call("node.renew", **alice.proof(key, seq), load={"load": 0.5})
    assert renewed["lease"]["expires_ms"] == seq + HALF_HOUR_MS > registered["lease"]["expires_ms"]
    assert renewed["advert_expires_ms"] == registered["advert_expires_ms"]
    assert (renewed["registry_id"], renewed["epoch"]) == (registered["registry_id"], registered["epoch"])

    async def has_the_load() -> dict[str, Any] | None:
        later = await shown(bob, key.id)
        return later if later is not None and later.get("load", {}).get("load") == 0.5 else None

    assert (await eventually(has_the_load, "the load given with the renewal"))["version"] == node["version"]


async def test_a_renewal_with_an_old_seq_or_a_bad_signature_is_refused(alice: RawClient, region: str) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    seq = key.next_seq()
    await alice.call("node.renew", **alice.proof(key, seq))
    for stale in (seq, seq - 1):
        error = await alice.refused("node.renew", **alice.proof(key, stale))
        assert (error.code, error.reason, error.data["current_seq"]) == (-32001, "auth.stale", seq)
    bad = alice.proof(key) | {"signature": Key().sign(b"x").hex()}
    assert (await alice.refused("node.renew", **bad)).reason == "auth.bad_signature"
    early = alice.proof(key, now_ms() + 120_000)
    assert (await alice.refused("node.renew", **early)).reason == "auth.clock"


async def test_renewing_elsewhere_moves_a_node_that_signs_itself_and_tells_the_old_home(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    key = Key()
    await alice.authenticate(key)
    await alice.call("node.register", advert=signed_advert(key, alice.hello["network"], attributes(region)))
    await alice.call("node.drain", level="cordoned", reason="moving")
    before = await until_shown(bob, key.id, state="cordoned")
    await bob.authenticate(key)
    renewed = await bob.call("node.renew", **bob.proof(key))
    assert renewed["registry_id"] == three[1].registry_id
    for client in (alice, bob, carol):
        node = await until_shown(client, key.id, home=three[1].registry_id, contact="live")
        assert (node["state"], node["version"]) == ("cordoned", before["version"])
    await alice.until(lambda: bool(alice.notices(key.id)))
    [notice] = alice.notices(key.id)
    assert notice["reason"] == "displaced"
    assert {peer["rpc"] for peer in notice["registries"]} <= {other.rpc for other in three[1:]}
    error = await alice.refused("node.resume")
    assert (error.code, error.reason) == (-32002, "node.displaced")


async def test_renewing_elsewhere_with_plain_attributes_is_unknown_there_and_registering_moves_the_node(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    key = Key()
    await alice.register(key, attributes(region))
    await until_shown(bob, key.id)
    await bob.authenticate(key)
    error = await bob.refused("node.renew", **bob.proof(key))
    assert (error.code, error.reason) == (-32002, "node.unknown")
    await bob.register(key, attributes(region))
    for client in (alice, bob, carol):
        await until_shown(client, key.id, home=three[1].registry_id, contact="live", allocatable=True)
    await alice.until(lambda: bool(alice.notices(key.id)))
    assert [notice["reason"] for notice in alice.notices(key.id)] == ["displaced"]
    assert (await alice.refused("node.load", load=1)).reason == "node.displaced"
    await alice.register(key, attributes(region))  # a newer proof brings it back
    await until_shown(carol, key.id, home=three[0].registry_id, contact="live")


async def test_the_socket_of_a_displaced_session_may_close_without_harm(
    three: list[RegistryProcess], bob: RawClient, carol: RawClient, region: str
) -> None:
    key = Key()
    async with connect(three[0].rpc) as first:
        await first.register(key, attributes(region))
        await until_shown(bob, key.id)
        await bob.register(key, attributes(region))
        await until_shown(first, key.id, home=three[1].registry_id)
    for client in (bob, carol):
        node = await until_shown(client, key.id, home=three[1].registry_id)
        assert node["contact"] == "live"


async def test_a_second_session_at_the_same_registry_takes_over(
    three: list[RegistryProcess], alice: RawClient, bob: RawClient, region: str
) -> None:
    key = Key()
    async with connect(three[0].rpc) as first:
        await first.register(key, attributes(region))
        await alice.register(key, attributes(region))
        await first.until(lambda: bool(first.notices(key.id)))
        assert (await first.refused("node.resume")).reason == "node.displaced"
    await alice.call("node.drain", level="cordoned")
    assert (await until_shown(bob, key.id, state="cordoned"))["contact"] == "live"


async def test_a_batch_of_registrations_is_acknowledged_at_once_and_shown_everywhere(
    alice: RawClient, bob: RawClient, carol: RawClient, region: str
) -> None:
    keys = [Key() for _ in range(100)]
    await alice.greet()
    logins = await alice.ask([_call("session.authenticate", alice.login(key)) for key in keys])
    assert all("result" in answer for answer in logins)
    plain = {**ATTRIBUTES, "region": region}
    answers = await alice.ask([_call("node.register", {"node_id": key.id, "attributes": plain}) for key in keys])
    assert {answer["result"]["node_id"] for answer in answers} == {key.id for key in keys}
    for client in (alice, bob, carol):

        async def total(client: RawClient = client) -> bool:
            return bool((await client.call("nodes.list", filter={"eq": ["region", region]}))["total"] == 100)

        await eventually(total, "all hundred are shown")


def _call(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
