"""Selection: each policy, and what holds for all of them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from p2preg.base.errors import Refused
from p2preg.index.filter import And, Compare, Eq, Or, Within, parse_filter
from p2preg.index.index import Index
from p2preg.index.reasons import Exclusion
from p2preg.index.select import Place, Probe, SelectRequest, select

POLICIES = ["random", "least_loaded", "two_choices", "nearest", "best_quality"]
AMSTERDAM, FRANKFURT, ASHBURN = (52_370_000, 4_900_000), (50_110_000, 8_680_000), (39_040_000, -77_490_000)
ALICE, BOB, CAROL, MALLORY = (bytes([number]) * 32 for number in (1, 2, 3, 4))
UP = {"state": "serving", "contact": "live"}


def at(place):
    return {"latitude": place[0], "longitude": place[1]}


@pytest.fixture
def index():
    """alice is near, idle and poor; bob is good and busy; carol is far and says nothing; mallory is not heard of."""
    index = Index()
    index.put(ALICE, {**UP, **at(AMSTERDAM), "region": "eu", "load": 100_000, "qos.score": 20_000})
    index.put(BOB, {**UP, **at(FRANKFURT), "region": "eu", "load": 900_000, "qos.score": 90_000})
    index.put(CAROL, {**UP, **at(ASHBURN), "region": "us"})
    index.put(MALLORY, {"state": "serving", "contact": "suspect", "region": "eu", "load": 0})
    return index


@pytest.fixture
def crowd():
    index = Index()
    for number in range(60):
        fields = {"operator": f"{number % 3:064x}", "asn": 64_500 + number % 2, "load": number * 10_000}
        index.put(bytes([number]) * 32, {**UP, **fields})
    return index


def chosen(index, *, seed=1, **request):
    return [candidate.node_id for candidate in select(index, SelectRequest(**request), Random(seed)).candidates]


def test_only_allocatable_nodes_are_selected(index):
    for policy in POLICIES:
        assert set(chosen(index, count=100, policy=policy, near=Place(0, 0))) == {ALICE, BOB, CAROL}


def test_the_least_loaded_come_first_and_the_unknown_last(index):
    assert chosen(index, count=3, policy="least_loaded") == [ALICE, BOB, CAROL]


def test_the_best_quality_comes_first_and_the_unknown_last(index):
    assert chosen(index, count=3, policy="best_quality") == [BOB, ALICE, CAROL]


def test_the_nearest_to_a_place_come_first(index):
    assert chosen(index, count=3, policy="nearest", near=Place(*FRANKFURT)) == [BOB, ALICE, CAROL]
    assert chosen(index, count=3, policy="nearest", near=Place(*ASHBURN)) == [CAROL, ALICE, BOB]


def test_a_node_without_a_place_is_the_farthest(index):
    index.put(MALLORY, UP)

    assert chosen(index, count=4, policy="nearest", near=Place(*ASHBURN))[-1] == MALLORY


def test_probes_stand_for_the_place_of_the_one_with_the_lowest_round_trip_time(index):
    unknown = Probe(b"\x09" * 32, 1)
    near = (Probe(BOB, 30_000), Probe(CAROL, 9_000), unknown)

    assert chosen(index, count=3, policy="nearest", near=near) == [CAROL, ALICE, BOB]


def test_when_no_probe_has_a_place_every_distance_is_unknown(index):
    result = select(index, SelectRequest(policy="nearest", near=(Probe(MALLORY, 1),)), Random(1))

    assert result.candidates[0].reasons == ("nearest: distance unknown",)


@pytest.mark.parametrize("near", [None, ()])
def test_nearest_without_near_is_refused(index, near):
    with pytest.raises(Refused) as refused:
        chosen(index, policy="nearest", near=near)

    assert (refused.value.code, refused.value.data["path"]) == (-32602, "near")


def test_two_choices_takes_the_less_loaded_of_two(index):
    for seed in range(20):
        assert chosen(index, seed=seed, filter=Compare("load", "ge", 0)) == [ALICE]


def test_two_choices_takes_each_node_but_the_most_loaded_and_prefers_the_less_loaded(crowd):
    picks = Counter(chosen(crowd, seed=seed)[0][0] for seed in range(2_000))
    lighter = sum(count for number, count in picks.items() if number < 30)

    # The better of two is in the lighter half three times out of four.
    assert 0.70 < lighter / 2_000 < 0.80
    assert len(picks) > 50
    assert 59 not in picks


def test_random_takes_every_node_about_as_often(crowd):
    picks = Counter(chosen(crowd, seed=seed, policy="random")[0] for seed in range(3_000))

    assert len(picks) == 60
    assert max(picks.values()) < 2 * 50


def test_as_many_as_asked_for_and_each_once(crowd):
    for policy in POLICIES:
        nodes = chosen(crowd, count=50, policy=policy, near=Place(0, 0))
        assert len(nodes) == len(set(nodes)) == 50


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("spread_by", [None, "operator"])
def test_one_seed_gives_one_answer_whatever_the_rows(policy, spread_by):
    nodes = [bytes([number]) * 32 for number in range(60)]
    indexes = []
    for order in (nodes, nodes[::-1]):
        index = Index()
        for node_id in order:
            index.put(node_id, {**UP, "load": node_id[0] % 4, "operator": f"{node_id[0] % 5:064x}"})
        indexes.append(index)
    request = {"count": 8, "policy": policy, "near": Place(0, 0), "spread_by": spread_by}

    assert chosen(indexes[0], seed=7, **request) == chosen(indexes[1], seed=7, **request)
    if policy in ("random", "two_choices"):
        assert chosen(indexes[0], seed=7, **request) != chosen(indexes[0], seed=8, **request)


@pytest.mark.parametrize("policy", POLICIES)
def test_spread_takes_from_each_group_in_turn(crowd, policy):
    nodes = chosen(crowd, count=7, policy=policy, near=Place(0, 0), spread_by="operator")
    groups = [crowd.fields_of(node_id)["operator"] for node_id in nodes]

    assert sorted(Counter(groups).values()) == [2, 2, 3]
    assert len(set(groups[:3])) == len(set(groups[3:6])) == 3


def test_spread_by_a_number_or_with_a_missing_field_works_too(crowd):
    assert Counter(crowd.fields_of(node_id)["asn"] for node_id in chosen(crowd, count=4, spread_by="asn")) == {
        64_500: 2,
        64_501: 2,
    }
    assert len(chosen(crowd, count=4, spread_by="region")) == 4


def test_excluded_nodes_are_left_out_and_counted(index):
    result = select(index, SelectRequest(count=3, exclude=(ALICE, b"\x09" * 32)), Random(1))

    assert {candidate.node_id for candidate in result.candidates} == {BOB, CAROL}
    assert result.reasons == (Exclusion("allocatable", 1), Exclusion("exclude", 1))


def test_each_predicate_says_how_many_it_excludes_by_itself(index):
    wanted = And((Eq("region", "asia"), Compare("load", "lt", 500_000)))
    result = select(index, SelectRequest(filter=wanted), Random(1))

    assert result.candidates == ()
    assert result.reasons == (
        Exclusion("allocatable", 1),
        Exclusion("region=asia", 3),
        Exclusion("load<0.5", 2),
    )


def test_predicates_are_relaxed_left_to_right_until_there_are_enough(index):
    wanted = And((Eq("region", "us"), Compare("load", "lt", 500_000)))
    request = SelectRequest(filter=wanted, relax=("kind", "region", "load"), policy="least_loaded")

    one = select(index, request, Random(1))
    assert one.relaxed == ("region",)
    assert [candidate.node_id for candidate in one.candidates] == [ALICE]
    assert one.candidates[0].reasons == ("least loaded: load 0.1", "relaxed: region=us")


def test_nothing_is_relaxed_when_there_are_enough(index):
    result = select(index, SelectRequest(filter=Eq("region", "us"), relax=("region",)), Random(1))

    assert (result.relaxed, [candidate.node_id for candidate in result.candidates]) == ((), [CAROL])


def test_a_node_that_needs_no_relaxing_comes_first_whatever_the_policy(index):
    for policy in POLICIES:
        request = {"filter": Eq("region", "us"), "relax": ("region",), "count": 3, "near": Place(*AMSTERDAM)}
        for seed in range(5):
            assert chosen(index, seed=seed, policy=policy, **request)[0] == CAROL


def test_a_predicate_goes_only_when_all_its_fields_are_relaxed(index):
    either = Or((Eq("region", "asia"), Eq("country", "JP")))

    assert select(index, SelectRequest(filter=either, relax=("region",)), Random(1)).candidates == ()
    both = select(index, SelectRequest(filter=either, relax=("region", "country")), Random(1))
    assert (len(both.candidates), both.relaxed) == (1, ("country",))


def test_a_place_is_relaxed_by_the_name_within(index):
    request = SelectRequest(filter=Within(0, 0, 1_000), relax=("within",))

    assert select(index, request, Random(1)).relaxed == ("within",)


def test_allocatable_is_never_relaxed(index):
    wanted = parse_filter({"and": [{"eq": ["state", "serving"]}, {"eq": ["contact", "suspect"]}]})
    result = select(index, SelectRequest(filter=wanted, relax=("contact", "state"), count=10), Random(1))

    assert {candidate.node_id for candidate in result.candidates} == {ALICE, BOB, CAROL}


def test_relaxing_what_is_no_field_is_refused(index):
    with pytest.raises(Refused) as refused:
        chosen(index, relax=("region", "colour"))

    assert refused.value.data["path"] == "relax[1]"


def test_an_empty_index_has_no_candidates():
    for policy in POLICIES:
        for spread_by in (None, "operator", "asn"):
            assert chosen(Index(), count=5, policy=policy, near=Place(0, 0), spread_by=spread_by) == []


def test_reasons_name_the_measure_and_the_group(index):
    (bob,) = select(index, SelectRequest(policy="best_quality", spread_by="region"), Random(1)).candidates
    (carol,) = select(index, SelectRequest(filter=Eq("region", "us")), Random(1)).candidates
    (near,) = select(
        index, SelectRequest(policy="nearest", near=Place(*AMSTERDAM), exclude=(ALICE,)), Random(1)
    ).candidates

    assert bob.reasons == ("best quality: score 90.0", "spread by region: eu")
    assert carol.reasons == ("two choices: load unknown",)
    assert near.reasons == ("nearest: 363.8 km",)
