"""The index beyond what the property tests compare with a scan: caps, recycled rows, pages, facets, odd records."""

from __future__ import annotations

import pytest

from p2preg.base.errors import Refused
from p2preg.base.limits import INDEXED_LABELS_MAX, INDEXED_LIST_MAX, SORT_FIELDS_MAX
from p2preg.index.filter import Compare, Eq, Exists, Has, Ne
from p2preg.index.index import Index, IndexStatistics
from p2preg.index.order import PageKey
from p2preg.index.rows import Rows
from p2preg.index.schema import NUMBER_MAX

ALICE, BOB, CAROL, MALLORY = (bytes([number]) * 32 for number in (1, 2, 3, 4))


@pytest.fixture
def index():
    index = Index()
    index.put(ALICE, {"region": "eu", "codecs": ["opus", "AV1"], "load": 300_000, "asn": 64_500})
    index.put(BOB, {"region": "us", "codecs": ["opus"], "load": 100_000, "asn": 64_500})
    index.put(CAROL, {"region": "eu", "asn": 64_501})
    return index


def found(index, filter):
    return [index.node_id(row) for row in index.search(filter)]


def test_the_smallest_free_row_is_used_again_first():
    rows = Rows()
    assert [rows.acquire(node_id) for node_id in (ALICE, BOB, CAROL)] == [0, 1, 2]

    assert (rows.release(BOB), rows.release(ALICE)) == (1, 0)
    assert (rows.acquire(MALLORY), rows.acquire(ALICE)) == (0, 1)
    assert (rows.get(MALLORY), rows.node_id(1), rows.get(BOB)) == (0, ALICE, None)
    rows.check_invariants()


def test_a_recycled_row_brings_nothing_of_its_last_node(index):
    index.remove(ALICE)
    index.put(MALLORY, {"region": "eu"})

    assert index.rows_of([MALLORY]) == index.search(Eq("node_id", MALLORY.hex()))
    assert index.fields_of(MALLORY) == {"node_id": MALLORY.hex(), "region": "eu"}
    assert found(index, Compare("load", "ge", 0)) == [BOB]
    assert found(index, Has("codecs", "AV1")) == []


def test_a_replaced_record_is_found_by_what_it_is_now(index):
    index.put(ALICE, {"region": "us", "codecs": ["AV1", "VP8"]})

    assert found(index, Eq("region", "eu")) == [CAROL]
    assert found(index, Has("codecs", "opus")) == [BOB]
    assert found(index, Has("codecs", "VP8")) == [ALICE]
    assert found(index, Exists("load")) == [BOB]
    index.check_invariants()


def test_an_update_changes_only_what_it_names(index):
    assert index.update(ALICE, {"load": 900_000, "region": None})

    assert index.fields_of(ALICE) == {
        "node_id": ALICE.hex(),
        "codecs": ("opus", "AV1"),
        "load": 900_000,
        "asn": 64_500,
    }
    assert not index.update(MALLORY, {"load": 1})
    assert MALLORY not in index


def test_what_a_search_gave_is_the_callers_own(index):
    everything = index.search(None)
    everything.clear()

    assert len(index) == len(index.search(None)) == 3


@pytest.mark.parametrize(
    "hostile",
    [
        {"load": True},
        {"load": "0.7"},
        {"load": NUMBER_MAX + 1},
        {"capacity.memory_bytes": 2**64 - 1},
        {"region": 7},
        {"region": ["eu"]},
        {"codecs": "opus"},
        {"operator": "not an id"},
        {"labels.": "x"},
        {"colour": "blue"},
        {"node_id": ALICE.hex()},
    ],
)
def test_a_value_that_no_field_allows_counts_as_missing(hostile):
    index = Index()
    index.put(MALLORY, hostile)

    assert index.fields_of(MALLORY) == {"node_id": MALLORY.hex()}
    index.check_invariants()


def test_a_record_brings_no_more_bitmaps_than_allowed():
    index = Index()
    many = [f"{number:04}" for number in range(1_000)]
    index.put(MALLORY, {"features": many, **{f"labels.{name}": "" for name in many}})

    assert index.statistics() == IndexStatistics(
        records=1, text_fields=INDEXED_LABELS_MAX + 1, bitmaps=INDEXED_LABELS_MAX + INDEXED_LIST_MAX
    )
    assert found(index, Has("features", many[INDEXED_LIST_MAX - 1])) == [MALLORY]
    assert found(index, Has("features", many[INDEXED_LIST_MAX])) == []
    assert found(index, Exists(f"labels.{many[INDEXED_LABELS_MAX]}")) == []


def test_pages_go_by_node_id_when_no_sort_is_given(index):
    assert index.page(index.search(None), limit=2) == ([ALICE, BOB], PageKey((), BOB))
    assert index.page(index.search(None), after=PageKey((), BOB), limit=2) == ([CAROL], None)


def test_a_full_last_page_has_no_next_one(index):
    assert index.page(index.search(None), limit=3) == ([ALICE, BOB, CAROL], None)


@pytest.mark.parametrize(("direction", "order"), [("asc", [BOB, ALICE, CAROL]), ("desc", [ALICE, BOB, CAROL])])
def test_a_missing_value_is_last_in_both_directions(index, direction, order):
    assert index.page(index.search(None), [("load", direction)]) == (order, None)
    first, key = index.page(index.search(None), [("load", direction)], limit=2)
    assert (first, index.page(index.search(None), [("load", direction)], key)) == (order[:2], (order[2:], None))


def test_ids_that_begin_alike_are_ordered_by_their_rest():
    index = Index()
    ids = [bytes(31) + bytes([number]) for number in range(9)]
    for node_id in reversed(ids):
        index.put(node_id, {})

    page, key = index.page(index.search(None), limit=4)
    rest, _ = index.page(index.search(None), after=key)
    assert page + rest == ids
    assert index.page(index.search(None), [("node_id", "desc")])[0] == ids[::-1]


def test_values_that_come_and_go_after_a_sort_are_in_their_place(index):
    everything = [("region", "asc")]
    assert index.page(index.search(None), everything)[0] == [ALICE, CAROL, BOB]

    index.put(MALLORY, {"region": "af"})
    index.remove(BOB)
    index.put(CAROL, {"region": "zz"})
    index.check_invariants()

    assert index.page(index.search(None), everything)[0] == [MALLORY, ALICE, CAROL]


@pytest.mark.parametrize(
    ("sort", "path"),
    [
        ([("codecs", "asc")], "sort[0][0]"),
        ([("load", "asc"), ("colour", "asc")], "sort[1][0]"),
        ([("load", "up")], "sort[0][1]"),
        ([("load", "asc")] * (SORT_FIELDS_MAX + 1), "sort"),
    ],
)
def test_what_has_no_order_is_refused(index, sort, path):
    with pytest.raises(Refused) as refused:
        index.page(index.search(None), sort)

    assert (refused.value.code, refused.value.data) == (-32602, {"reason": "params.invalid", "path": path})


def test_a_page_of_few_sorts_by_a_label_that_names_each_node():
    index = Index()
    for number in range(100):
        index.put(bytes([number]) * 32, {"labels.name": f"{99 - number:02}", "kind": "sfu" if number < 3 else "mcu"})

    page, key = index.page(index.search(Eq("kind", "sfu")), [("labels.name", "asc")], limit=2)

    assert page == [bytes([2]) * 32, bytes([1]) * 32]
    assert index.page(index.search(Eq("kind", "sfu")), [("labels.name", "asc")], key) == ([bytes(32)], None)


def test_rows_far_beyond_the_last_number_have_none():
    index = Index()
    for number in range(200):
        index.put(bytes([number]) * 32, {"asn": 7} if number == 0 else {})

    assert index.page(index.search(None), [("asn", "asc")], limit=1)[0] == [bytes(32)]
    assert index.facets(index.search(None), ["asn"]) == {"asn": {"7": 1}}


def test_facets_count_a_list_once_for_each_value(index):
    rows = index.search(None)

    assert index.facets(rows, ["region", "codecs", "asn"]) == {
        "region": {"eu": 2, "us": 1},
        "codecs": {"opus": 2, "AV1": 1},
        "asn": {"64500": 2, "64501": 1},
    }
    assert index.facets(index.search(Ne("region", "eu")), ["region", "labels.tier"]) == {
        "region": {"us": 1},
        "labels.tier": {},
    }


@pytest.mark.parametrize("field", ["load", "node_id", "capacity.cores", "colour"])
def test_facets_of_measures_and_of_unknown_fields_are_refused(index, field):
    with pytest.raises(Refused) as refused:
        index.facets(index.search(None), ["region", field])

    assert (refused.value.code, refused.value.data) == (-32602, {"reason": "params.invalid", "path": "by[1]"})
