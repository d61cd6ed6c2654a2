"""What the command line of the demo takes, and refuses with a sentence."""

from __future__ import annotations

import argparse

import pytest

from p2preg.base.errors import ConfigError
from p2preg.cli import demo


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers())
    return parser


def test_it_has_five_registries_and_fifty_nodes_unless_told_otherwise(parser: argparse.ArgumentParser) -> None:
    arguments = parser.parse_args(["demo"])
    assert (arguments.registries, arguments.nodes, arguments.keep, arguments.plain) == (5, 50, False, False)


@pytest.mark.parametrize("words", [["--registries", "2"], ["--registries", "21"], ["--nodes", "4"], ["--nodes", "501"]])
def test_sizes_out_of_bounds_are_refused_with_the_bounds(
    parser: argparse.ArgumentParser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["demo", *words])
    assert f"was expected, got {words[1]}" in capsys.readouterr().err


def test_each_registry_needs_a_node_and_some_are_needed_to_crash(parser: argparse.ArgumentParser) -> None:
    arguments = parser.parse_args(["demo", "--registries", "9", "--nodes", "10"])
    with pytest.raises(ConfigError, match="at least 11 for 9 registries, got 10"):
        demo.run(arguments)
