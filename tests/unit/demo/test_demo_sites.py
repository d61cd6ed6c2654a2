"""The fleet's descriptions: what a registry takes, the same for the same seed, and one for the Orchestrator to find."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from p2preg.client.advert import advert_body
from p2preg.demo.opening import QUERY
from p2preg.demo.sites import SITES, attributes_of, load_of
from p2preg.index.text import parse_text
from p2preg.registry.attributes import Attributes, read_body
from p2preg.registry.load import LoadReport


@pytest.mark.parametrize("number", range(2 * len(SITES)))
def test_a_registry_takes_each_description_and_load_through_both_doors(number: int) -> None:
    attributes = attributes_of(number, Random(number))
    msgspec.convert(attributes, Attributes)
    read_body(advert_body(attributes))
    msgspec.convert(load_of(attributes, 0.7), LoadReport)


def test_the_same_seed_makes_the_same_fleet() -> None:
    alice, bob = Random(7), Random(7)
    assert [attributes_of(n, alice) for n in range(20)] == [attributes_of(n, bob) for n in range(20)]


@pytest.mark.parametrize("seed", range(20))
def test_the_first_node_is_one_that_the_orchestrator_asks_for(seed: int) -> None:
    attributes = attributes_of(0, Random(seed))
    wanted = parse_text(QUERY)["and"]
    assert wanted == [{"eq": ["region", "eu-west"]}, {"has": ["codecs", "video/AV1"]}, {"lt": ["load", 0.7]}]
    assert attributes["region"] == "eu-west"
    assert "video/AV1" in attributes["codecs"]
