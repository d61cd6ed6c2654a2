"""The filter of the contract: what it accepts, what it refuses and where, and when two of them are one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from p2preg.base.errors import Refused
from p2preg.base.limits import FILTER_DEPTH_MAX, FILTER_LEAVES_MAX, FILTER_VALUES_MAX
from p2preg.index.filter import (
    And,
    Compare,
    Eq,
    Exists,
    Has,
    In,
    Ne,
    Not,
    Or,
    Within,
    canonical,
    fields_used,
    parse_filter,
)
from p2preg.index.match import explain, matches
from p2preg.index.schema import NUMBER_MAX, clean, field_type, replicated

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "index_filters.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["filters"], ids=lambda vector: vector["name"])
def test_a_vector_selects_the_records_it_names(vector):
    filter = parse_filter(vector["filter"])

    selected = [name for name, fields in VECTORS["records"].items() if matches(filter, clean(fields))]

    assert selected == vector["selects"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_a_vector_is_refused_at_its_path(vector):
    with pytest.raises(Refused) as refused:
        parse_filter(vector["filter"])

    assert (refused.value.code, refused.value.reason) == (-32004, "filter.invalid")
    assert refused.value.data == {"reason": "filter.invalid", "path": vector["path"]}
    assert vector["says"] in refused.value.message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True])
def test_a_number_must_be_finite_and_no_boolean(number):
    with pytest.raises(Refused, match="a finite number was expected"):
        parse_filter({"lt": ["load", number]})


def test_numbers_are_compared_in_replicated_units():
    assert parse_filter({"lt": ["load", 0.7]}) == Compare("load", "lt", 700_000)
    assert parse_filter({"eq": ["latitude", 52.3676]}) == Eq("latitude", 52_367_600)
    assert parse_filter({"ge": ["qos.score", 87.5]}) == Compare("qos.score", "ge", 87_500)
    assert parse_filter({"within": {"latitude": 1, "longitude": 2.5, "km": 0.5}}) == Within(1_000_000, 2_500_000, 500)


def test_a_number_is_rounded_half_to_even_as_its_author_wrote_it():
    assert [replicated(value, 1_000_000) for value in (0.0000005, 0.0000015, 0.0000025, -0.0000025)] == [0, 2, 2, -2]
    assert replicated(1.0000005, 1_000_000) == 1_000_000


def test_a_bound_between_two_whole_numbers_compares_as_it_reads():
    assert parse_filter({"lt": ["capacity.cores", 2.5]}) == Compare("capacity.cores", "lt", 3)
    assert parse_filter({"le": ["capacity.cores", 2.5]}) == Compare("capacity.cores", "le", 2)
    assert parse_filter({"gt": ["capacity.cores", 2.5]}) == Compare("capacity.cores", "gt", 2)
    assert parse_filter({"ge": ["capacity.cores", 2.5]}) == Compare("capacity.cores", "ge", 3)
    assert parse_filter({"eq": ["capacity.cores", 2.0]}) == Eq("capacity.cores", 2)


@pytest.mark.parametrize("bound", [1e308, 10**400])
def test_a_bound_beyond_every_record_keeps_its_meaning(bound):
    assert matches(parse_filter({"lt": ["load", bound]}), {"load": NUMBER_MAX})
    assert matches(parse_filter({"gt": ["load", -bound]}), {"load": -NUMBER_MAX})
    assert not matches(parse_filter({"eq": ["load", bound]}), {"load": NUMBER_MAX})


def leaves(count):
    return {"and": [{"exists": "region"}] * count}


def nested(depth):
    tree = {"exists": "region"}
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


def test_as_many_leaves_and_as_much_depth_as_allowed_are_accepted():
    parse_filter(leaves(FILTER_LEAVES_MAX))
    parse_filter(nested(FILTER_DEPTH_MAX))
    parse_filter({"in": ["region", [str(number) for number in range(FILTER_VALUES_MAX)]]})


@pytest.mark.parametrize(
    "tree",
    [
        leaves(FILTER_LEAVES_MAX + 1),
        nested(FILTER_DEPTH_MAX + 1),
        nested(10_000),
        {"or": [{"and": []}] * (FILTER_LEAVES_MAX + 1)},
    ],
)
def test_one_more_is_too_complex(tree):
    with pytest.raises(Refused) as refused:
        parse_filter(tree)

    assert refused.value.reason == "filter.too_complex"


def test_one_more_value_than_allowed_is_invalid():
    with pytest.raises(Refused, match="at most 256 values are allowed, got 257"):
        parse_filter({"in": ["region", [str(number) for number in range(FILTER_VALUES_MAX + 1)]]})


def test_filters_that_differ_in_order_nesting_or_repetition_are_one():
    one = {"and": [{"eq": ["kind", "sfu"]}, {"and": [{"has": ["codecs", "a"]}, {"in": ["region", ["y", "x"]]}]}]}
    other = {"and": [{"in": ["region", ["x", "y", "x"]]}, {"has": ["codecs", "a"]}, {"eq": ["kind", "sfu"]}]}

    assert canonical(parse_filter(one)) == canonical(parse_filter(other))
    assert canonical(parse_filter(one)) != canonical(parse_filter({"or": other["and"]}))


def test_the_canonical_text_tells_text_from_numbers_and_leaves_apart():
    texts = [
        canonical(filter)
        for filter in (
            Eq("asn", 1),
            Eq("labels.a", "1"),
            Ne("asn", 1),
            In("asn", (1, 2)),
            Exists("asn"),
            And(()),
            Or(()),
        )
    ]

    assert len(set(texts)) == len(texts)


def test_fields_used_are_named_once_in_order():
    filter = Or((Not(Compare("load", "lt", 1)), Within(1, 2, 3), Has("codecs", "a"), Exists("load")))

    assert fields_used(filter) == ("codecs", "latitude", "load", "longitude")


def test_any_label_is_a_field_and_nothing_else_is():
    assert field_type("labels.tier.of.service") is not None
    assert field_type("labels.") is field_type("labels") is field_type("load.load") is field_type("software") is None


def test_explain_shows_each_leaf_in_rpc_units():
    filter = parse_filter(
        {
            "and": [
                {"eq": ["region", "eu"]},
                {"not": {"ge": ["load", 0.7]}},
                {"within": {"latitude": 0, "longitude": 0, "km": 1}},
            ]
        }
    )
    checks = explain(filter, clean({"region": "us", "load": 250_000, "latitude": 0, "longitude": 1_000_000}))

    assert [(check.predicate, check.passed, check.value, check.wanted) for check in checks] == [
        ("region=eu", False, "us", "eu"),
        ("!load>=0.7", True, 0.25, 0.7),
        ("within=0.0,0.0,1.0", False, 111.195, 1.0),
    ]


def test_explain_says_that_a_value_is_missing():
    (check,) = explain(Not(Eq("region", "eu")), {})

    assert (check.passed, check.value) == (True, None)
