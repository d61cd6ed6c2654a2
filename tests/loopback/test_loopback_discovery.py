"""Finding nodes: filters, order, pages, facets, selection and projections, asked of one registry about all homes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from handmade import ATTRIBUTES, Key, signed_advert
from raw_client import RawClient, connect, eventually, until_shown
from registry_process import RegistryProcess

# name → what differs; registered in this order, in turn at three registries. `load` and `state` are told afterwards.
NODES: dict[str, dict[str, Any]] = {
    "ams": {
        "city": "Amsterdam", "latitude": 52.37, "longitude": 4.9, "country": "NL",
        "codecs": ["audio/opus", "video/AV1"], "capacity": {"max_participants": 500, "cores": 8},
        "labels": {"tier": "gold"}, "operator": "aa" * 32,
        "software": {"name": "sfu", "version": "2"}, "asn": 64500, "load": 0.9,
    },
    "ber": {
        "city": "Berlin", "latitude": 52.52, "longitude": 13.4, "country": "DE", "codecs": ["audio/opus", "video/VP8"],
        "capacity": {"max_participants": 200}, "labels": {"tier": "silver"}, "operator": "aa" * 32, "asn": 64500,
        "load": 0.1,
    },
    "cdg": {
        "city": "Paris", "latitude": 48.86, "longitude": 2.35, "country": "FR", "codecs": ["audio/opus"],
        "capacity": {"max_participants": 100}, "operator": "bb" * 32, "features": ["svc", "e2ee"], "load": 1.5,
    },
    "nrt": {"city": "Tokyo", "latitude": 35.68, "longitude": 139.69, "country": "JP", "kind": "turn",
            "endpoints": [{"purpose": "turn", "url": "turn:nrt.example"}], "operator": "bb" * 32},
    "sfo": {"city": "San Francisco", "latitude": 37.77, "longitude": -122.42, "country": "US", "state": "cordoned"},
    "gru": {"city": "São Paulo", "country": "BR", "signed": True, "state": "left"},
}  # fmt: skip
ALLOCATABLE = ["ams", "ber", "cdg", "nrt"]
EXTRA = ("load", "state", "signed")


@dataclass
class Fleet:
    """Six nodes that are registered at three registries, and a client of the second."""

    asked: RawClient
    region: str
    ids: dict[str, str]

    def names(self, nodes: list[dict[str, Any]]) -> list[str]:
        by_id = {node_id: name for name, node_id in self.ids.items()}
        return [by_id[node["node_id"]] for node in nodes]

    def within(self, tree: Any = None) -> dict[str, Any]:
        own: dict[str, Any] = {"eq": ["region", self.region]}
        return own if tree is None else {"and": [own, tree]}

    async def find(self, tree: Any = None, **params: Any) -> list[str]:
        """The names of the nodes that match, in the order of the answer."""
        answer = await self.asked.call("nodes.list", filter=self.within(tree), **params)
        assert answer["total"] >= len(answer["nodes"])
        return self.names(answer["nodes"])


@pytest.fixture
async def fleet(three: list[RegistryProcess], region: str) -> AsyncIterator[Fleet]:
    async with connect(three[0].rpc) as a, connect(three[1].rpc) as b, connect(three[2].rpc) as c:
        homes, ids = [a, b, c], {}
        for at, (name, differs) in enumerate(NODES.items()):
            key, home = Key(), homes[at % 3]
            ids[name] = key.id
            described = {**ATTRIBUTES, "region": region, **{n: v for n, v in differs.items() if n not in EXTRA}}
            await home.authenticate(key)
            if differs.get("signed"):
                advert = signed_advert(key, home.hello["network"], described)
                await home.call("node.register", node_id=key.id, advert=advert)
            else:
                await home.call("node.register", node_id=key.id, attributes=described)
            if "load" in differs:
                await home.call("node.load", node_id=key.id, load=differs["load"])
            if differs.get("state") == "cordoned":
                await home.call("node.drain", node_id=key.id, level="cordoned")
            if differs.get("state") == "left":
                await home.call("node.leave", node_id=key.id)
        async with connect(three[1].rpc) as asked:
            fleet = Fleet(asked, region, ids)

            async def is_complete() -> bool:
                loaded = await fleet.find({"exists": "load"})
                return len(loaded) == 3 and sorted(await fleet.find()) == ALLOCATABLE

            await eventually(is_complete, "the fleet is known")
            await until_shown(asked, ids["sfo"], state="cordoned")
            await until_shown(asked, ids["gru"], state="stopped")
            yield fleet


# --- filters ------------------------------------------------------------------------------------------------------


async def test_every_operator_of_the_filter_language_finds_what_it_says(fleet: Fleet) -> None:
    for tree, wanted in (
        ({"eq": ["city", "Berlin"]}, "ber"),
        ({"eq": ["country", "nl"]}, ""),
        ({"ne": ["city", "Berlin"]}, "ams cdg nrt"),
        ({"ne": ["labels.tier", "gold"]}, "ber"),  # where the field is missing even `ne` is false
        ({"not": {"eq": ["labels.tier", "gold"]}}, "ber cdg nrt"),
        ({"in": ["country", ["NL", "DE", "XX"]]}, "ams ber"),
        ({"in": ["country", []]}, ""),
        ({"has": ["codecs", "video/AV1"]}, "ams"),
        ({"has": ["features", "svc"]}, "cdg"),
        ({"has": ["endpoints.purpose", "turn"]}, "nrt"),
        ({"lt": ["capacity.max_participants", 200]}, "cdg"),
        ({"le": ["capacity.max_participants", 200]}, "ber cdg"),
        ({"gt": ["capacity.max_participants", 200]}, "ams"),
        ({"ge": ["capacity.max_participants", 200]}, "ams ber"),
        ({"lt": ["load", 0.9]}, "ber"),
        ({"le": ["load", 0.9]}, "ams ber"),
        ({"gt": ["load", 1]}, "cdg"),
        ({"eq": ["load", 0.1]}, "ber"),
        ({"exists": "load"}, "ams ber cdg"),
        ({"not": {"exists": "software.version"}}, "ber cdg nrt"),
        ({"eq": ["software.version", "2"]}, "ams"),
        ({"eq": ["asn", 64500]}, "ams ber"),
        ({"eq": ["kind", "turn"]}, "nrt"),
        ({"eq": ["operator", "aa" * 32]}, "ams ber"),
        ({"eq": ["latitude", 48.86]}, "cdg"),
        ({"within": {"latitude": 52.37, "longitude": 4.9, "km": 100}}, "ams"),
        ({"within": {"latitude": 52.37, "longitude": 4.9, "km": 600}}, "ams ber cdg"),
        ({"within": {"latitude": 0, "longitude": 0, "km": 0}}, ""),
        ({"and": []}, "ams ber cdg nrt"),
        ({"or": []}, ""),
        ({"or": [{"eq": ["city", "Paris"]}, {"eq": ["city", "Tokyo"]}]}, "cdg nrt"),
        ({"and": [{"exists": "load"}, {"not": {"gt": ["load", 1]}}]}, "ams ber"),
        ({"eq": ["contact", "live"]}, "ams ber cdg nrt"),
        ({"eq": ["state", "cordoned"]}, ""),  # `include` is allocatable unless said otherwise
        ({"eq": ["attested_by", "registry"]}, "ams ber cdg nrt"),
        ({"eq": ["node_id", fleet.ids["ber"]]}, "ber"),
    ):
        assert sorted(await fleet.find(tree)) == wanted.split(), tree
    home = (await until_shown(fleet.asked, fleet.ids["ams"]))["home"]
    assert sorted(await fleet.find({"eq": ["home", home]})) == ["ams", "nrt"]


async def test_include_widens_from_allocatable_over_live_to_all(fleet: Fleet) -> None:
    assert sorted(await fleet.find(include="allocatable")) == ALLOCATABLE
    assert sorted(await fleet.find(include="live")) == [*ALLOCATABLE, "sfo"]
    assert sorted(await fleet.find(include="all")) == sorted(NODES)
    assert await fleet.find({"eq": ["state", "cordoned"]}, include="all") == ["sfo"]
    assert await fleet.find({"eq": ["attested_by", "node"]}, include="all") == ["gru"]


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({}, "$"),
        ({"eq": ["region", "a"], "ne": ["region", "b"]}, "$"),
        ({"like": ["region", "a"]}, "$"),
        ({"eq": ["nose", "a"]}, "$.eq[0]"),
        ({"eq": ["region"]}, "$.eq"),
        ({"eq": "region"}, "$.eq"),
        ({"eq": ["region", 1]}, "$.eq[1]"),
        ({"eq": ["region", None]}, "$.eq[1]"),
        ({"eq": ["codecs", "audio/opus"]}, "$.eq[0]"),
        ({"in": ["region", "a"]}, "$.in[1]"),
        ({"in": ["region", ["a", 1]]}, "$.in[1][1]"),
        ({"in": ["region", ["a"] * 257]}, "$.in[1]"),
        ({"has": ["region", "a"]}, "$.has[0]"),
        ({"lt": ["region", "a"]}, "$.lt[0]"),
        ({"lt": ["load", "a"]}, "$.lt[1]"),
        ({"lt": ["load", True]}, "$.lt[1]"),
        ({"exists": "nose"}, "$.exists"),
        ({"within": {"latitude": 1, "longitude": 1}}, "$.within"),
        ({"within": {"latitude": 91, "longitude": 1, "km": 1}}, "$.within.latitude"),
        ({"and": {"eq": ["region", "a"]}}, "$.and"),
        ({"and": [{"eq": ["region", "a"]}, {"or": [{"not": {"eq": ["x", 1]}}]}]}, "$.and[1].or[0].not.eq[0]"),
    ],
    ids=str,
)
async def test_a_filter_that_is_wrong_is_refused_with_the_path_into_it(alice: RawClient, tree: Any, path: str) -> None:
    for method, params in (
        ("nodes.list", {}), ("nodes.select", {}), ("nodes.facets", {"by": ["region"]}), ("nodes.subscribe", {}),
    ):  # fmt: skip
        error = await alice.refused(method, filter=tree, **params)
        assert (error.code, error.reason, error.data["path"]) == (-32004, "filter.invalid", path), method


async def test_a_filter_has_at_most_64_leaves_and_depth_8(alice: RawClient) -> None:
    leaf = {"eq": ["region", "a"]}
    await alice.call("nodes.list", filter={"or": [leaf] * 64})
    assert (await alice.refused("nodes.list", filter={"or": [leaf] * 65})).reason == "filter.too_complex"
    deep: dict[str, Any] = leaf
    for _ in range(7):
        deep = {"not": deep}
    await alice.call("nodes.list", filter=deep)
    assert (await alice.refused("nodes.list", filter={"not": deep})).reason == "filter.too_complex"
    for _ in range(250):
        deep = {"not": deep}
    assert (await alice.refused("nodes.list", filter=deep)).code == -32004


async def test_a_filter_that_is_no_object_is_refused(alice: RawClient) -> None:
    for tree in ([], "region=a", 1):
        assert (await alice.refused("nodes.list", filter=tree)).code in (-32602, -32004)


# --- order and pages ----------------------------------------------------------------------------------------------


async def test_the_order_is_by_the_sort_fields_with_missing_last_and_by_id_in_the_end(fleet: Fleet) -> None:
    by_id = sorted(ALLOCATABLE, key=lambda name: fleet.ids[name])
    assert await fleet.find() == by_id
    assert await fleet.find(sort=[["load", "asc"]]) == ["ber", "ams", "cdg", "nrt"]
    assert await fleet.find(sort=[["load", "desc"]]) == ["cdg", "ams", "ber", "nrt"]
    assert await fleet.find(sort=[["city", "desc"]]) == ["nrt", "cdg", "ber", "ams"]
    operators = await fleet.find(sort=[["operator", "desc"], ["capacity.max_participants", "asc"]])
    assert operators == ["cdg", "nrt", "ber", "ams"]
    assert await fleet.find(sort=[["kind", "asc"]]) == [*(name for name in by_id if name != "nrt"), "nrt"]
    assert (await fleet.asked.refused("nodes.list", sort=[["nose", "asc"]])).code == -32602
    assert (await fleet.asked.refused("nodes.list", sort=[["codecs", "asc"]])).code == -32602


async def test_pages_give_every_node_once_and_end(fleet: Fleet) -> None:
    for sort in ([], [["load", "desc"]], [["country", "asc"], ["node_id", "desc"]]):
        found, token = [], None
        for _ in range(6):
            more = {"page_token": token} if token else {}
            page = await fleet.asked.call(
                "nodes.list", filter=fleet.within(), include="all", limit=2, sort=sort, **more
            )
            assert page["total"] == 6
            found += fleet.names(page["nodes"])
            token = page.get("next_page_token")
            if token is None:
                break
        assert sorted(found) == sorted(NODES), sort
        assert found == await fleet.find(include="all", sort=sort)


async def test_a_page_token_is_bound_to_its_request_and_cannot_be_made_up(fleet: Fleet, alice: RawClient) -> None:
    asked = {"filter": fleet.within(), "limit": 2, "sort": [["city", "asc"]], "include": "live"}
    token = (await fleet.asked.call("nodes.list", **asked))["next_page_token"]
    await fleet.asked.call("nodes.list", **asked, page_token=token)
    await fleet.asked.call("nodes.list", **(asked | {"limit": 3}), page_token=token)
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    raw[-1] ^= 1
    altered = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    for change in (
        {"filter": fleet.within({"exists": "load"})}, {"sort": []}, {"include": "all"}, {"page_token": altered},
        {"page_token": ""}, {"page_token": "!"}, {"page_token": "AAAA"}, {"page_token": token[:-8]},
    ):  # fmt: skip
        error = await fleet.asked.refused("nodes.list", **(asked | {"page_token": token} | change))
        assert (error.code, error.reason) == (-32004, "page.expired"), change
    assert (await alice.refused("nodes.list", **asked, page_token=token)).reason == "page.expired"


# --- projections, get, facets -------------------------------------------------------------------------------------


async def test_fields_take_top_level_and_dotted_names_and_id_and_version_always_come(fleet: Fleet) -> None:
    fields = ["city", "capacity.cores", "labels.tier", "endpoints.url", "load", "qos"]
    answer = await fleet.asked.call("nodes.get", node_ids=[fleet.ids["ams"]], fields=fields)
    [node] = answer["nodes"]
    assert node.pop("node_id") == fleet.ids["ams"]
    assert len(node.pop("version")) == 32
    assert node.pop("load")["load"] == 0.9
    node.pop("qos", None)
    assert node == {
        "city": "Amsterdam", "capacity": {"cores": 8}, "labels": {"tier": "gold"},
        "endpoints": [{"url": ATTRIBUTES["endpoints"][0]["url"]}],
    }  # fmt: skip
    bare = await fleet.asked.call("nodes.list", filter=fleet.within(), fields=[])
    assert {tuple(sorted(node)) for node in bare["nodes"]} == {("node_id", "version")}
    assert (await fleet.asked.refused("nodes.get", node_ids=[], fields=["nose"])).code == -32602


async def test_get_gives_nodes_in_any_state_and_names_those_that_are_missing(fleet: Fleet) -> None:
    nobody = "00" * 32
    answer = await fleet.asked.call("nodes.get", node_ids=[fleet.ids["gru"], nobody, fleet.ids["sfo"]])
    assert sorted(fleet.names(answer["nodes"])) == ["gru", "sfo"]
    assert answer["missing"] == [nobody]


async def test_every_answer_says_how_fresh_it_is(fleet: Fleet) -> None:
    for method, params in (("nodes.get", {"node_ids": []}), ("nodes.list", {}), ("nodes.select", {})):
        freshness = (await fleet.asked.call(method, **params))["freshness"]
        assert (freshness["registries_known"], freshness["registries_fresh"]) == (3, 3), method
        assert 0 <= freshness["oldest_heartbeat_age_s"] < 15
        assert freshness["preserving"] is False
        assert isinstance(freshness["synced"], bool)


async def test_facets_count_values_and_a_list_once_a_value(fleet: Fleet) -> None:
    by = ["country", "codecs", "asn", "labels.tier", "state"]
    answer = await fleet.asked.call("nodes.facets", filter=fleet.within(), by=by)
    assert answer["total"] == 4
    assert answer["facets"] == {
        "country": {"NL": 1, "DE": 1, "FR": 1, "JP": 1},
        "codecs": {"audio/opus": 4, "video/AV1": 1, "video/VP8": 2},
        "asn": {"64500": 2},
        "labels.tier": {"gold": 1, "silver": 1},
        "state": {"serving": 4},
    }
    everything = await fleet.asked.call("nodes.facets", filter=fleet.within(), by=["state"], include="all")
    assert everything["facets"]["state"] == {"serving": 4, "cordoned": 1, "stopped": 1}
    for by in (["nose"], ["load"], []):
        assert (await fleet.asked.refused("nodes.facets", by=by)).code == -32602


# --- selection ----------------------------------------------------------------------------------------------------


async def select(fleet: Fleet, tree: Any = None, **params: Any) -> list[str]:
    answer = await fleet.asked.call("nodes.select", filter=fleet.within(tree), **params)
    assert all(candidate["reasons"] for candidate in answer["candidates"])
    return fleet.names([candidate["node"] for candidate in answer["candidates"]])


async def test_only_allocatable_nodes_are_selected_one_unless_more_are_asked_for(fleet: Fleet) -> None:
    assert len(await select(fleet)) == 1
    for policy in ("random", "least_loaded", "two_choices", "best_quality"):
        assert sorted(await select(fleet, count=100, policy=policy)) == ALLOCATABLE, policy
    excluded = [fleet.ids[name] for name in ("ams", "ber")]
    assert sorted(await select(fleet, count=10, exclude=excluded)) == ["cdg", "nrt"]


async def test_the_policies_rank_by_load_and_by_distance(fleet: Fleet) -> None:
    loaded = {"exists": "load"}
    assert await select(fleet, loaded, count=3, policy="least_loaded") == ["ber", "ams", "cdg"]
    near = {"latitude": 50.85, "longitude": 4.35}
    assert await select(fleet, count=3, policy="nearest", near=near) == ["ams", "cdg", "ber"]
    probes = {"probes": [{"node_id": fleet.ids["nrt"], "round_trip_time_s": 0.001},
                         {"node_id": fleet.ids["cdg"], "round_trip_time_s": 0.2}]}  # fmt: skip
    assert (await select(fleet, count=1, policy="nearest", near=probes)) == ["nrt"]
    for wrong in ({}, {"near": {"latitude": 1}}, {"near": {}}, {"near": {"probes": []}}):
        assert (await fleet.asked.refused("nodes.select", policy="nearest", **wrong)).code == -32602


async def test_the_same_seed_on_the_same_data_gives_the_same_answer_at_every_registry(
    fleet: Fleet, alice: RawClient
) -> None:
    async def draw(client: RawClient, seed: Any) -> list[str]:
        answer = await client.call(
            "nodes.select", filter=fleet.within({"not": {"exists": "load"}} if seed is None else None),
            count=4, policy="random", seed=seed,
        )  # fmt: skip
        return [candidate["node"]["node_id"] for candidate in answer["candidates"]]

    for seed in (0, 7, "a text"):
        assert await draw(fleet.asked, seed) == await draw(fleet.asked, seed) == await draw(alice, seed)
    assert len({tuple(await draw(fleet.asked, seed)) for seed in range(40)}) > 5


async def test_nothing_that_matches_is_an_empty_list_with_reasons(fleet: Fleet) -> None:
    tree = fleet.within({"and": [{"eq": ["country", "XX"]}, {"has": ["codecs", "video/AV1"]}]})
    answer = await fleet.asked.call("nodes.select", filter=tree)
    assert (answer["candidates"], answer["relaxed"]) == ([], [])
    assert any("country" in reason["predicate"] and reason["excluded"] > 0 for reason in answer["reasons"])


async def test_relax_drops_predicates_from_left_to_right_until_there_are_enough(fleet: Fleet) -> None:
    tree = {"and": [{"eq": ["country", "DE"]}, {"has": ["codecs", "video/AV1"]}, {"eq": ["kind", "sfu"]}]}

    async def relaxed(count: int, *fields: str) -> tuple[list[str], list[str]]:
        answer = await fleet.asked.call(
            "nodes.select", filter=fleet.within(tree), count=count, policy="least_loaded", relax=list(fields)
        )
        return fleet.names([each["node"] for each in answer["candidates"]]), answer["relaxed"]

    assert await relaxed(1) == ([], [])
    assert await relaxed(1, "country", "codecs") == (["ams"], ["country"])
    assert await relaxed(1, "codecs", "country") == (["ber"], ["codecs"])
    assert await relaxed(2, "country", "codecs") == (["ams", "ber"], ["country", "codecs"])
    assert (await fleet.asked.refused("nodes.select", relax=["nose"])).code == -32602


async def test_spread_takes_another_group_before_a_second_of_the_same(fleet: Fleet) -> None:
    chosen = await select(fleet, count=2, policy="least_loaded", spread_by="operator")
    assert chosen == ["ber", "cdg"]
    assert len(await select(fleet, count=4, spread_by="operator")) == 4
