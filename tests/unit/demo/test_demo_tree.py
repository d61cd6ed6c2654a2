"""The broadcast tree, put together from each registry's own eager links."""

from __future__ import annotations

from p2preg.demo.tree import Branch, size, tree_of


def test_the_tree_follows_eager_links_from_the_origin() -> None:
    eager = {"alice": ["bob", "carol"], "bob": ["dave"], "carol": [], "dave": []}
    assert tree_of("alice", eager) == Branch("alice", [Branch("bob", [Branch("dave")]), Branch("carol")])


def test_links_back_and_double_ones_do_not_make_it_a_graph() -> None:
    eager = {"alice": ["bob", "carol"], "bob": ["alice", "carol"], "carol": ["bob"]}
    assert tree_of("alice", eager) == Branch("alice", [Branch("bob"), Branch("carol")])


def test_a_registry_that_says_nothing_is_a_leaf() -> None:
    assert size(tree_of("alice", {"alice": ["bob"]})) == 2
    assert size(tree_of("alice", {})) == 1
