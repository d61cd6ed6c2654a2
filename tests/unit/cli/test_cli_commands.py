"""The command line: help with examples, what is asked of the registry, what is printed, and the exit codes."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli_registry import CannedRegistry

from p2preg import __version__
from p2preg.cli import exits, main
from p2preg.cli.facets import split_words
from p2preg.cli.listing import sorted_nodes
from p2preg.cli.options import RPC_VARIABLE, read_sort, registries
from p2preg.cli.output import duration, flat, harmless
from p2preg.cli.parser import build_parser

FRESH = {
    "registries_known": 2,
    "registries_fresh": 2,
    "oldest_heartbeat_age_s": 1.0,
    "synced": True,
    "preserving": False,
}
ALICE, BOB = "a1" * 32, "b0" * 32


def node_of(node_id: str, **more: Any) -> dict[str, Any]:
    node = {"node_id": node_id, "version": "0" * 32, "kind": "sfu", "region": "eu-west", "state": "serving"}
    return node | {"contact": "live", "home": "cc" * 32, "codecs": ["video/VP8"]} | more


NODES = {"nodes": [node_of(ALICE), node_of(BOB, load={"load": 0.25})], "total": 2, "freshness": FRESH}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedRegistry]:
    monkeypatch.delenv(RPC_VARIABLE, raising=False)
    with CannedRegistry().listening() as canned:
        monkeypatch.setenv(RPC_VARIABLE, canned.url)
        yield canned


Captured = pytest.CaptureFixture[str]


def run(*words: str) -> int:
    return main(list(words))


# --- help ---------------------------------------------------------------------------------------------------------


def command_names() -> list[str]:
    [subparsers] = [action for action in build_parser()._actions if action.dest == "==SUPPRESS=="]
    return list(subparsers.choices or ())


def test_all_commands_are_there() -> None:
    wanted = "node demo keygen network sponsor info peers list watch get explain select facets qos register sim"
    assert sorted(command_names()) == sorted(wanted.split())


@pytest.mark.parametrize("name", command_names())
def test_the_help_of_each_command_has_an_example(name: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "example" in shown
    assert f"p2preg {name}" in shown.partition("example")[2]


def test_the_help_lists_every_exit_code(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    codes = [value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)]
    assert all(f"{code:>3}  {exits.MEANINGS[code]}" in shown for code in codes)


def test_the_version_is_told(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out.strip()) == (0, f"p2preg {__version__}")


@pytest.mark.parametrize("words", [[], ["dance"], ["get"], ["list", "--limit", "many"], ["select", "--policy", "best"]])
def test_a_command_line_that_cannot_be_is_2(words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == exits.USAGE


# --- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "method", "params"),
    [
        (["list"], "nodes.list", {"include": "allocatable"}),
        (
            ["list", "region=eu-west", "load<0.7", "--include", "all", "--sort", "load:desc", "--limit", "5",
             "--fields", "state,load"],
            "nodes.list",
            {
                "filter": {"and": [{"eq": ["region", "eu-west"]}, {"lt": ["load", 0.7]}]},
                "include": "all", "sort": [["load", "desc"]], "limit": 5, "fields": ["state", "load"],
            },
        ),
        (["get", ALICE.upper()], "nodes.get", {"node_ids": [ALICE]}),
        (["explain", ALICE, "kind=sfu"], "node.explain", {"node_id": ALICE, "filter": {"eq": ["kind", "sfu"]}}),
        (
            ["select", "--count", "2", "--policy", "nearest", "--near=-33.9,151.2", "--relax", "region",
             "--exclude", BOB],
            "nodes.select",
            {
                "count": 2, "policy": "nearest", "near": {"latitude": -33.9, "longitude": 151.2},
                "relax": ["region"], "exclude": [BOB],
            },
        ),
        (["facets", "region", "codecs", "kind=sfu"], "nodes.facets",
         {"by": ["region", "codecs"], "filter": {"eq": ["kind", "sfu"]}, "include": "allocatable"}),
        (["qos", ALICE, "--window", "60"], "qos.get", {"node_id": ALICE, "window_s": 60}),
        (["qos", ALICE, "--explain"], "qos.explain", {"node_id": ALICE}),
        (["info"], "registry.info", {}),
        (["peers"], "registry.peers", {}),
    ],
)  # fmt: skip
def test_a_command_asks_what_it_says_and_prints_the_answer_as_json(
    words: list[str], method: str, params: dict[str, Any], registry: CannedRegistry, capsys: Captured
) -> None:
    registry.answers[method] = {"candidates": [1], "missing": [], "as": "it came"}
    assert run(*words, "--json") == exits.OK
    assert registry.calls == [(method, params)]
    assert json.loads(capsys.readouterr().out) == registry.answers[method]


def test_an_id_may_be_given_by_its_first_digits(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.list"] = NODES
    registry.answers["nodes.get"] = {"nodes": [], "missing": []}
    assert run("get", "A1a1", "b0b0b0", "--json") == exits.OK
    assert registry.calls[-1] == ("nodes.get", {"node_ids": [ALICE, BOB]})


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("cccc", exits.REFUSED, "no node is known whose id begins with cccc"),
        ("a1a1a1", exits.USAGE, "2 nodes have ids that begin with a1a1a1"),
        ("a1a", exits.USAGE, "at least 4"),
        ("xyzxyz", exits.USAGE, "hex digits"),
        ("a" * 65, exits.USAGE, "64 hex digits"),
    ],
)
def test_an_id_that_names_none_or_several_is_refused(
    text: str, code: int, says: str, registry: CannedRegistry, capsys: Captured
) -> None:
    registry.answers["nodes.list"] = {
        "nodes": [node_of(ALICE), node_of("a1" * 31 + "ff")],
        "total": 2,
        "freshness": FRESH,
    }
    assert run("explain", text) == code
    assert says in capsys.readouterr().err


# --- what is printed ----------------------------------------------------------------------------------------------


def test_nodes_are_a_table_for_people(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.list"] = NODES
    assert run("list") == exits.OK
    shown = capsys.readouterr().out
    header, *rows = shown.splitlines()
    assert header.split()[:6] == ["node", "kind", "place", "state", "contact", "load"]
    assert [row.split()[0] for row in rows[:2]] == [ALICE[:12], BOB[:12]]
    assert "0.25" in rows[1]
    assert rows[2] == "2 of 2 nodes; synced, 2 of 2 registries fresh"


@pytest.mark.parametrize("width", [60, 95, 200])
def test_a_table_keeps_to_the_width_of_the_terminal(
    width: int, registry: CannedRegistry, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    registry.answers["nodes.list"] = {**NODES, "nodes": [node_of(ALICE, endpoints=[{"url": "wss://" + "x" * 300}])]}
    assert run("list") == exits.OK
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def test_an_answer_that_may_be_incomplete_says_so(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.list"] = {
        "nodes": [],
        "total": 0,
        "freshness": {**FRESH, "synced": False, "preserving": True},
    }
    assert run("list") == exits.OK
    shown = capsys.readouterr().out
    assert "NOT SYNCED" in shown
    assert "cut off" in shown


def test_text_of_strangers_cannot_command_the_terminal(registry: CannedRegistry, capsys: Captured) -> None:
    evil = "\x1b[2J[red]boo[/red]\u202e\n"
    registry.answers["nodes.list"] = {**NODES, "nodes": [node_of(ALICE, region=evil)]}
    assert run("list") == exits.OK
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert "[red]boo[/red]" in shown


def test_missing_nodes_are_told_and_are_1(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.get"] = {"nodes": [node_of(ALICE)], "missing": [BOB]}
    assert run("get", ALICE, BOB) == exits.REFUSED
    told = capsys.readouterr()
    assert ALICE in told.out
    assert told.err == f"p2preg get: no node {BOB} is known here\n"


def test_a_selection_of_nothing_shows_why_and_is_1(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.select"] = {
        "candidates": [], "relaxed": [], "reasons": [{"predicate": "region=us", "excluded": 7}], "freshness": FRESH,
    }  # fmt: skip
    assert run("select", "region=us") == exits.REFUSED
    shown = capsys.readouterr().out
    assert "no allocatable node matches" in shown
    assert "region=us" in shown


def test_facets_are_counted_the_most_frequent_first(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["nodes.facets"] = {"total": 5, "facets": {"region": {"eu": 1, "us": 4}}}
    assert run("facets", "region") == exits.OK
    assert capsys.readouterr().out.split() == ["region", "4", "us", "1", "eu", "5", "nodes"]


def test_an_explanation_marks_what_failed(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["node.explain"] = {
        "node_id": ALICE, "state": "serving", "contact": "live", "allocatable": True, "reasons": ["load<0.2: has 0.8"],
        "checks": [{"predicate": "load<0.2", "passed": False, "wanted": 0.2, "value": 0.8}], "seen_by": {"home": BOB},
    }  # fmt: skip
    assert run("explain", ALICE) == exits.OK
    shown = capsys.readouterr().out
    assert "✗" in shown
    assert "because" in shown


def test_quality_without_a_report_shows_no_numbers_that_nobody_measured(
    registry: CannedRegistry, capsys: Captured
) -> None:
    registry.answers["qos.get"] = {
        "score": 60.0, "mos": 3.1, "confidence": 0.0, "reports": 0, "reporters": 0, "formula": 1,
        "bitrate_bps": None, "fraction_lost": {"p10": 0.0, "p50": 0.01, "p95": 0.1}, "round_trip_time_s": None,
    }  # fmt: skip
    assert run("qos", ALICE) == exits.OK
    rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows if "loss" in row or "bitrate" in row] == [
        ["bitrate", "(Mbit/s)", "–", "–", "–"], ["loss", "(%)", "0.00", "1.00", "10.00"],
    ]  # fmt: skip


# --- what goes wrong ----------------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    assert text.count("\n") == 1
    assert text.startswith("p2preg: ")
    return text


def test_a_refusal_is_1_with_the_registrys_words(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["registry.info"] = Exception(-32001, {"reason": "auth.required"})
    assert run("info") == exits.REFUSED
    assert "auth.required" in one_line(capsys.readouterr().err)


def test_a_filter_that_cannot_be_read_is_2_and_nobody_is_asked(registry: CannedRegistry, capsys: Captured) -> None:
    assert run("list", "load>much") == exits.USAGE
    assert "character 6" in one_line(capsys.readouterr().err)
    assert registry.calls == []


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--rpc", "foo"],
        ["info", "--rpc", "http://127.0.0.1/"],
        ["info", "--ca", "no-such-file.pem"],
        ["select", "--near", "north"],
        ["facets", "region=eu"],
        ["register", "--key", "no-such.pem", "--attributes", "no-such.json"],
    ],
)
def test_what_the_user_got_wrong_is_2_in_one_line(words: list[str], registry: CannedRegistry, capsys: Captured) -> None:
    assert run(*words) == exits.USAGE
    one_line(capsys.readouterr().err)


@pytest.mark.parametrize("command", ["info", "list", "watch"])
def test_no_registry_is_3_and_each_that_was_tried_is_named(command: str, capsys: Captured) -> None:
    assert run(command, "--rpc", "ws://127.0.0.1:1/", "--rpc", "ws://127.0.0.1:2/") == exits.UNREACHABLE
    told = one_line(capsys.readouterr().err)
    assert "ws://127.0.0.1:1/: Connection refused" in told
    assert "ws://127.0.0.1:2/: Connection refused" in told


def test_the_next_registry_is_asked_when_one_is_down(registry: CannedRegistry, capsys: Captured) -> None:
    registry.answers["registry.info"] = {"up": True}
    assert run("info", "--json", "--rpc", "ws://127.0.0.1:1/", "--rpc", registry.url) == exits.OK


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("p2preg.cli.info.call", interrupted)
    assert run("info") == exits.INTERRUPTED


# --- small parts --------------------------------------------------------------------------------------------------


def test_registries_come_from_the_options_then_the_environment_then_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(RPC_VARIABLE, raising=False)
    parse = build_parser().parse_args
    assert registries(parse(["info"])) == ["ws://127.0.0.1:7480/"]
    monkeypatch.setenv(RPC_VARIABLE, "ws://a/, ws://b/")
    assert registries(parse(["info"])) == ["ws://a/", "ws://b/"]
    assert registries(parse(["info", "--rpc", "ws://c/", "--rpc", "ws://d/"])) == ["ws://c/", "ws://d/"]


def test_a_sort_is_a_field_with_an_optional_direction() -> None:
    assert read_sort(["load:desc", "region", "labels.a:b", "x:asc"]) == [
        ["load", "desc"], ["region", "asc"], ["labels.a:b", "asc"], ["x", "asc"],
    ]  # fmt: skip


def test_words_of_facets_are_fields_or_terms() -> None:
    assert split_words(["region", "kind=sfu", "load<1", "!a=b", '{"exists":"asn"}', "asn"]) == (
        ["region", "asn"], ["kind=sfu", "load<1", "!a=b", '{"exists":"asn"}'],
    )  # fmt: skip


def test_a_watched_list_is_sorted_as_a_registry_sorts() -> None:
    light, heavy, unknown = node_of(BOB, load={"load": 0.1}), node_of(ALICE, load={"load": 0.9}), node_of("00" * 32)
    assert sorted_nodes([unknown, heavy, light], [["load", "asc"]]) == [light, heavy, unknown]
    assert sorted_nodes([unknown, heavy, light], [["load", "desc"]]) == [heavy, light, unknown]
    assert sorted_nodes([light, heavy, unknown], []) == [unknown, heavy, light]


def test_objects_are_told_as_dotted_names() -> None:
    assert flat({"a": {"b": [1, 2]}, "c": [{"d": 1}], "e": None}) == {"a.b": "1, 2", "c[0].d": 1, "e": None}


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.25, "1.2 s"), (75, "1 min 15 s"), (7300, "2 h 1 min"), (200_000, "2 days")]
)
def test_durations_are_told_as_people_do(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_harmless_text_is_left_as_it_is() -> None:
    assert harmless("Åre – 北京 ✓") == "Åre – 北京 ✓"
    assert harmless("a\x1b[31m\r\nb\x7f") == "a\ufffd[31m\ufffd\ufffdb\ufffd"


def test_the_module_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "argv", ["p2preg", "--version"])
    with pytest.raises(SystemExit):
        import p2preg.__main__  # noqa: F401
    assert "p2preg" in capsys.readouterr().out
