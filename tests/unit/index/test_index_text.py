"""The command line's filters."""

from __future__ import annotations

import pytest

from p2preg.base.errors import Refused
from p2preg.base.limits import FILTER_LEAVES_MAX
from p2preg.index.text import parse_text


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {"and": []}),
        ("region=eu-west", {"eq": ["region", "eu-west"]}),
        (
            "region=eu-west codecs=video/AV1 load<0.7",
            {"and": [{"eq": ["region", "eu-west"]}, {"has": ["codecs", "video/AV1"]}, {"lt": ["load", 0.7]}]},
        ),
        ("kind=sfu,mcu", {"in": ["kind", ["sfu", "mcu"]]}),
        ("kind!=sfu", {"ne": ["kind", "sfu"]}),
        ("kind!=sfu,mcu", {"and": [{"ne": ["kind", "sfu"]}, {"ne": ["kind", "mcu"]}]}),
        ("codecs=a,b", {"or": [{"has": ["codecs", "a"]}, {"has": ["codecs", "b"]}]}),
        ("codecs!=a", {"and": [{"exists": "codecs"}, {"not": {"has": ["codecs", "a"]}}]}),
        ("!operator", {"not": {"exists": "operator"}}),
        ("!kind=sfu", {"not": {"eq": ["kind", "sfu"]}}),
        ("load>=1 load<=2.5 load>-.5", {"and": [{"ge": ["load", 1]}, {"le": ["load", 2.5]}, {"gt": ["load", -0.5]}]}),
        ("asn=64500,64501", {"in": ["asn", [64500, 64501]]}),
        ("within=52.37,4.9,500", {"within": {"latitude": 52.37, "longitude": 4.9, "km": 500}}),
        ('city="New York"', {"eq": ["city", "New York"]}),
        (r'city="a \"b\" \\ ,c"', {"eq": ["city", r'a "b" \ ,c']}),
        ('city=""', {"eq": ["city", ""]}),
        ('"labels.my key"=x=y', {"eq": ["labels.my key", "x=y"]}),
        (' {"eq": ["kind", "sfu"]}', {"eq": ["kind", "sfu"]}),
    ],
)
def test_text_says_a_tree(text, tree):
    assert parse_text(text) == tree


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("regoin=eu", "character 1", "regoin"),
        ("kind=sfu regoin=eu", "character 10", "regoin"),
        ("kind=", "character 6", "a value was expected"),
        ("kind=sfu,", "character 10", "a value was expected"),
        ("kind==sfu", "character 6", "got an operator"),
        ("load < 0.7", "character 6", "the name of a field was expected"),
        ("load<high", "character 6", "a number was expected"),
        ("load<nan", "character 6", "a number was expected"),
        ("load<" + "9" * 5_000, "character 6", "a number was expected"),
        ("load<1e999", "character 1", "a finite number was expected"),
        ("load<1,2", "character 8", "one value"),
        ("region<3", "character 1", "a number field was expected"),
        ("kind=sfu home=abc", "character 10", "64 lowercase hex digits"),
        ('city="New York', "character 6", "never closed"),
        ('city="New York\\', "character 6", "never closed"),
        ("!!kind", "character 2", "the name of a field was expected"),
        ("within<3", "character 1", "within=latitude,longitude,km"),
        ("within=1,2", "character 1", "within=latitude,longitude,km"),
        ('{"eq": [', "character 9", "JSON was expected"),
        ('{"eq": ' + "[" * 100_000, "character 1", "less nesting"),
        ('{"like": 1}', "$", "one of and, or, not"),
    ],
)
def test_an_error_names_the_position(text, path, says):
    with pytest.raises(Refused) as refused:
        parse_text(text)

    assert (refused.value.code, refused.value.reason) == (-32004, "filter.invalid")
    assert refused.value.data["path"] == path
    assert says in refused.value.message


@pytest.mark.parametrize("terms", [FILTER_LEAVES_MAX + 1, 100_000])
def test_more_terms_than_a_filter_may_have_are_too_complex(terms):
    with pytest.raises(Refused) as refused:
        parse_text("kind " * terms)

    assert refused.value.reason == "filter.too_complex"
