"""The index answers as a scan of its records does, whatever they were and whatever is asked (I1, I2, I3)."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from p2preg.base.errors import Refused
from p2preg.index.describe import describe
from p2preg.index.filter import parse_filter
from p2preg.index.geo import HALF_CIRCUMFERENCE_M
from p2preg.index.index import Index
from p2preg.index.match import explain, matches
from p2preg.index.schema import FIELDS, NUMBER_MAX, clean, replicated, rpc
from p2preg.index.terms import (
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
    conjuncts,
)
from p2preg.index.text import parse_text

NODES = [bytes([number]) * 32 for number in range(6)] + [bytes(8) + bytes([number]) * 24 for number in (1, 2, 3)]
IDS = [node_id.hex() for node_id in NODES]
TEXTS = ["", "a", "b", 'c "d" \\,!']
NUMBERS = [-NUMBER_MAX, -1, 0, 1, 2, NUMBER_MAX]
PLACES = [(0, 0), (0, 1), (52_370_000, 4_900_000), (52_370_001, 4_900_000), (-90_000_000, 0), (0, 180_000_000)]
TEXT_FIELDS = ["region", "kind", "labels.x", "labels.y z"]
LIST_FIELDS = ["codecs", "features"]
NUMBER_FIELDS = ["load", "asn", "capacity.cores"]


few = settings(max_examples=150, deadline=None)


def records():
    plain = st.fixed_dictionaries(
        {},
        optional={
            **{field: st.sampled_from(TEXTS) for field in TEXT_FIELDS},
            **{field: st.lists(st.sampled_from(TEXTS), max_size=3) for field in LIST_FIELDS},
            **{field: st.sampled_from(NUMBERS) for field in NUMBER_FIELDS},
            "home": st.sampled_from(IDS),
        },
    )
    places = st.sampled_from([{}, {"latitude": 5}, *({"latitude": at, "longitude": on} for at, on in PLACES)])
    return st.builds(lambda fields, place: {**fields, **place}, plain, places)


def leaves():
    texts, ids = st.sampled_from(TEXTS), st.sampled_from(IDS)
    numbers = st.sampled_from([*NUMBERS, NUMBER_MAX + 1])
    scalars = st.one_of(
        st.tuples(st.sampled_from(TEXT_FIELDS), texts),
        st.tuples(st.sampled_from(["home", "node_id"]), ids),
        st.tuples(st.sampled_from(NUMBER_FIELDS), numbers),
    )
    return st.one_of(
        scalars.map(lambda pair: Eq(*pair)),
        scalars.map(lambda pair: Ne(*pair)),
        st.builds(In, st.sampled_from(TEXT_FIELDS), st.frozensets(texts).map(lambda some: tuple(sorted(some)))),
        st.builds(In, st.just("node_id"), st.frozensets(ids).map(lambda some: tuple(sorted(some)))),
        st.builds(In, st.sampled_from(NUMBER_FIELDS), st.frozensets(numbers).map(lambda some: tuple(sorted(some)))),
        st.builds(Has, st.sampled_from(LIST_FIELDS), texts),
        st.builds(Compare, st.sampled_from(NUMBER_FIELDS), st.sampled_from(["lt", "le", "gt", "ge"]), numbers),
        st.builds(Exists, st.sampled_from([*TEXT_FIELDS, *LIST_FIELDS, *NUMBER_FIELDS, "home", "node_id"])),
        st.builds(
            lambda place, far: Within(*place, far), st.sampled_from(PLACES), st.sampled_from([0, 1, 10**7, 10**9])
        ),
    )


def filters():
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda terms: And(tuple(terms))),
            st.lists(inner, max_size=3).map(lambda terms: Or(tuple(terms))),
            inner.map(Not),
        ),
        max_leaves=8,
    )


def changes():
    nodes = st.sampled_from(NODES)
    put = st.tuples(st.just("put"), nodes, records())
    update = st.tuples(st.just("update"), nodes, records())
    clear = st.tuples(st.just("update"), nodes, st.just({"load": None, "region": None, "codecs": None}))
    remove = st.tuples(st.just("remove"), nodes, st.just({}))
    return st.lists(st.one_of(put, put, update, clear, remove), max_size=25)


def play(steps):
    """An index after the steps, and what a dictionary holds after the same ones."""
    index, model = Index(), {}
    for what, node_id, fields in steps:
        match what:
            case "put":
                index.put(node_id, fields)
                model[node_id] = clean(fields)
            case "update":
                assert index.update(node_id, fields) == (node_id in model)
                if node_id in model:
                    model[node_id] = clean({**model[node_id], **fields})
            case "remove":
                assert index.remove(node_id) == (model.pop(node_id, None) is not None)
    return index, {node_id: {"node_id": node_id.hex(), **fields} for node_id, fields in model.items()}


@few
@given(changes(), st.lists(filters(), min_size=1, max_size=4))
def test_a_search_is_a_scan(steps, asked):
    index, model = play(steps)
    index.check_invariants()

    assert {node_id: index.fields_of(node_id) for node_id in NODES if node_id in index} == model
    for filter in asked:
        wanted = {node_id for node_id, fields in model.items() if matches(filter, fields)}
        found = index.search(filter)
        assert {index.node_id(row) for row in found} == wanted
        assert index.count(filter) == len(found) == len(wanted)


@few
@given(changes())
def test_what_is_removed_leaves_nothing_behind(steps):
    index, model = play(steps)
    for node_id in model:
        index.remove(node_id)
    index.check_invariants()

    assert index.statistics().bitmaps == index.statistics().text_fields == 0
    for node_id in NODES:
        index.put(node_id, {})
    assert all(index.fields_of(node_id) == {"node_id": node_id.hex()} for node_id in NODES)
    assert index.count(Or(tuple(Exists(field) for field in [*FIELDS, "labels.x"] if field != "node_id"))) == 0


@few
@given(changes())
def test_facets_are_counts_of_values(steps):
    index, model = play(steps)
    rows = index.search(None)
    fields = ["region", "labels.x", "codecs", "asn", "home"]

    for field, counts in index.facets(rows, fields).items():
        expected: dict[str, int] = {}
        for record in model.values():
            held = record.get(field, ())
            for value in held if isinstance(held, tuple) else (held,):
                expected[str(value)] = expected.get(str(value), 0) + 1
        assert list(counts.items()) == sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))


def sorts():
    field = st.sampled_from(["load", "region", *TEXT_FIELDS, *NUMBER_FIELDS, "node_id", "home"])
    return st.lists(st.tuples(field, st.sampled_from(["asc", "desc"])), max_size=3)


def naive_order(model, sort):
    ids = sorted(model)
    for field, direction in reversed(sort):
        having = sorted(
            (node_id for node_id in ids if field in model[node_id]),
            key=lambda node_id, field=field: model[node_id][field],
        )
        if direction == "desc":
            # Descending, and yet stable.
            having = sorted(
                (node_id for node_id in reversed(ids) if field in model[node_id]),
                key=lambda node_id, field=field: model[node_id][field],
            )[::-1]
        ids = having + [node_id for node_id in ids if field not in model[node_id]]
    return ids


def crowds():
    """Many records with the same few values, so that pages end in the middle of ties."""
    values = st.fixed_dictionaries({}, optional={"load": st.sampled_from([-1, 0, 5]), "region": st.sampled_from(TEXTS)})
    crowd = st.lists(values, min_size=3, max_size=len(NODES))
    return crowd.map(lambda records: [("put", *pair) for pair in zip(NODES, records, strict=False)])


def crowd_sorts():
    field = st.sampled_from(["load", "region"])
    return st.lists(st.tuples(field, st.sampled_from(["asc", "desc"])), min_size=1, max_size=2)


def asked_for_pages():
    return st.one_of(st.tuples(crowds(), crowd_sorts()), st.tuples(changes(), sorts()))


@few
@given(asked_for_pages(), st.integers(1, 5))
def test_all_pages_together_are_everything_in_order(asked, limit):
    steps, sort = asked
    index, model = play(steps)
    paged, after = [], None
    while True:
        ids, after = index.page(index.search(None), sort, after, limit)
        paged += ids
        if after is None:
            break
        assert len(ids) == limit
        assert len(paged) <= len(model)

    assert paged == naive_order(model, sort)


@few
@given(asked_for_pages(), changes(), st.integers(1, 3))
def test_a_node_that_stays_is_seen_once_although_others_come_and_go(asked, others, limit):
    steps, sort = asked
    index, model = play([step for step in steps if step[1] in NODES[::2]])
    others = [step for step in others if step[1] not in NODES[::2]]
    paged, after = [], None
    while True:
        ids, after = index.page(index.search(None), sort, after, limit)
        paged += [node_id for node_id in ids if node_id in model]
        if after is None:
            break
        for what, node_id, fields in others[:5]:
            getattr(index, what)(*((node_id,) if what == "remove" else (node_id, fields)))
        others = others[5:]
        index.check_invariants()
        assert len(paged) <= len(model)

    assert paged == naive_order(model, sort)


def json_like():
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    names = st.sampled_from(
        [*FIELDS, "labels.x", "and", "or", "not", "eq", "in", "has", "lt", "exists", "within", "km"]
    )
    return st.recursive(
        scalars | names,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=3),
        max_leaves=12,
    )


@few
@given(json_like())
def test_any_json_is_a_filter_or_refused(tree):
    try:
        filter = parse_filter(tree)
    except Refused as refused:
        assert refused.code == -32004
        assert refused.data["path"].startswith("$")
        assert len(refused.message) < 400
    else:
        canonical(filter)
        describe(filter)
        matches(filter, {})


@few
@given(st.text(alphabet='kindloadcodecs=!<>", .0123456789\\{}[]:') | st.text())
def test_any_text_is_a_filter_or_refused(text):
    try:
        tree = parse_text(text)
    except Refused as refused:
        assert refused.code == -32004
    else:
        parse_filter(json.loads(json.dumps(tree)))


def readable(leaf):
    """Leaves that JSON can say: no extremes of a number, no distance beyond the earth, no `in` of fewer than two."""
    match leaf:
        case Within(_, _, metres):
            return metres <= HALF_CIRCUMFERENCE_M
        case In(_, values):
            return len(values) > 1 and all(isinstance(value, str) or abs(value) < 2**50 for value in values)
        case Eq(_, int(value)) | Ne(_, int(value)) | Compare(_, _, value):
            return abs(value) < 2**50
    return True


@few
@given(leaves().filter(readable), st.booleans())
def test_what_describes_a_leaf_is_read_back_as_that_leaf(leaf, negated):
    filter = Not(leaf) if negated else leaf
    said = parse_filter(parse_text(describe(filter)))

    assert said == filter


@few
@given(st.integers(-(10**15), 10**15), st.sampled_from([1, 1_000, 1_000_000]))
def test_a_number_comes_back_from_rpc_units(value, scale):
    assert replicated(rpc(value, scale), scale) == value


@few
@given(filters(), records())
def test_a_conjunction_holds_when_every_conjunct_is_explained_as_passed(filter, fields):
    fields = {"node_id": IDS[0], **clean(fields)}

    assert matches(filter, fields) == all(matches(term, fields) for term in conjuncts(filter))
    if all(not isinstance(term, And | Or | Not) for term in conjuncts(filter)):
        assert matches(filter, fields) == all(
            check.passed for term in conjuncts(filter) for check in explain(term, fields)
        )
