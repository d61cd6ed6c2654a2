"""The documents say what the code has: messages, methods, errors, commands, options; and their links lead somewhere."""

from __future__ import annotations

import argparse
import ast
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2preg.cli.parser import build_parser
from p2preg.registry import params, results
from p2preg.registry.limits import (
    BATCH_MAX,
    IN_FLIGHT_MAX,
    KEYS_PER_SESSION_MAX,
    MESSAGE_BYTES_MAX,
    QUEUE_EVENTS_MAX,
    SESSIONS_MAX,
    SUBSCRIPTIONS_PER_SESSION_MAX,
)
from p2preg.registry.methods import METHODS, NOTIFICATIONS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
RPC = (DOCS / "rpc.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")

REASON = re.compile(r"[a-z]+\.[a-z_]+")
REASON_SPACES = {
    "auth", "node", "subscription", "cell", "filter", "page", "sketch", "limit", "registry", "params", "json",
    "request", "method", "session", "reporter", "window", "sample",
}  # fmt: skip


# --- protocol.md --------------------------------------------------------------------------------------------


def test_the_table_of_messages_is_what_the_script_writes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "docs-protocol"))
    page = script["PAGE"].read_text(encoding="utf-8")
    assert script["page_with_table"](page) == page, "run scripts/docs-protocol"


# --- rpc.md -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_in_the_contract_with_its_params(method: str) -> None:
    rows = [line for line in RPC.splitlines() if line.startswith(f"| `{method}`")]
    assert len(rows) == 1, f"{method} has one row of a table in docs/rpc.md"
    if method == "node.load":
        return  # its params are the load object, described beneath the attributes
    for name in METHODS[method].params.__struct_fields__:
        assert name == "node_id" or re.search(rf"\b{name}\b", rows[0]), f"{method}: {name} is not in its row"


@pytest.mark.parametrize("name", ["Attributes", "LoadReport"])
def test_every_attribute_and_load_field_is_in_the_contract(name: str) -> None:
    struct = getattr(params, name)
    assert [field for field in struct.__struct_fields__ if f"`{field}`" not in RPC] == []


RESULTS = ["Greeted", "Registered", "Renewed", "Freshness", "Explained", "Info", "Peer", "LookedUp", "Subscribed"]


@pytest.mark.parametrize("name", RESULTS)
def test_every_field_of_a_result_is_in_the_contract(name: str) -> None:
    fields = getattr(results, name).__struct_fields__
    assert [field for field in fields if not re.search(rf"\b{field}\b", RPC)] == []


def test_every_notification_is_in_the_contract() -> None:
    assert [name for name in NOTIFICATIONS if name not in RPC] == []


def test_the_limits_in_the_contract_are_those_enforced() -> None:
    limits = {
        "limits.message_bytes": MESSAGE_BYTES_MAX,
        "limits.batch": BATCH_MAX,
        "limits.in_flight": IN_FLIGHT_MAX,
        "limits.subscriptions": SUBSCRIPTIONS_PER_SESSION_MAX,
        "limits.queue_events": QUEUE_EVENTS_MAX,
        "limits.keys": KEYS_PER_SESSION_MAX,
        "sessions": SESSIONS_MAX,
    }
    for name, value in limits.items():
        assert re.search(rf"^\| `?{name}`? \| {value:,}\b".replace(",", " "), RPC, re.MULTILINE), (name, value)


def reasons_in(text: str) -> Iterator[str]:
    """The dotted reasons that are arguments of calls, `Refused(code, "auth.stale", …)` and the like, or returned."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(args=values):
                pass
            case ast.Return(value=ast.expr() as value):
                values = [value]
            case _:
                continue
        texts = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        yield from filter(REASON.fullmatch, texts)


def raised_reasons() -> dict[str, str]:
    """Every reason that the registry's side raises, with a file that does."""
    found = {}
    for path in sorted((ROOT / "p2preg").rglob("*.py")):
        if path.parts[len(ROOT.parts) + 1] in ("client", "cli", "demo", "sim"):
            continue
        for reason in reasons_in(path.read_text(encoding="utf-8")):
            space = reason.partition(".")[0]
            if space in REASON_SPACES and reason not in METHODS and reason not in NOTIFICATIONS:
                found[reason] = str(path.relative_to(ROOT))
    return found


def test_every_reason_of_an_error_is_in_the_contract() -> None:
    found = raised_reasons()
    assert {"auth.stale", "cell.too_large", "limit.quota", "page.expired", "window.overlap"} <= found.keys()
    assert {reason: file for reason, file in found.items() if f"`{reason}`" not in RPC} == {}


def test_a_reason_is_found_in_calls_and_returns() -> None:
    text = 'def f():\n    raise Refused(-1, "auth.odd", "text")\n\ndef g():\n    return "window.odd"'
    assert sorted(reasons_in(text)) == ["auth.odd", "window.odd"]


# --- operations.md ------------------------------------------------------------------------------------------


def commands() -> dict[str, argparse.ArgumentParser]:
    [subparsers] = [
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    return dict(subparsers.choices)


@pytest.mark.parametrize("command", commands())
def test_every_command_and_its_options_are_in_operations(command: str) -> None:
    assert f"`p2preg {command}" in OPERATIONS
    flags = [flag for action in commands()[command]._actions for flag in action.option_strings if flag != "-h"]
    assert [flag for flag in flags if not re.search(rf"`{flag}\b", OPERATIONS) and flag != "--help"] == []


def test_the_options_in_operations_exist() -> None:
    actions = [action for parser in [build_parser(), *commands().values()] for action in parser._actions]
    known = {flag for action in actions for flag in action.option_strings}
    of_pip = {"--constraint"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", OPERATIONS))
    assert named - known - of_pip == set()


# --- every page ---------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """GitHub's ids of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{page.name}: {target}"
        assert not heading or heading in anchors(found), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:p2preg|tests|docs|fuzz)/[\w/-]+\.[a-z]+|scripts/[\w-]+)[` ]", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_python_in_the_readme_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "README.md", "exec")


def test_the_worked_examples_are_those_of_the_vectors() -> None:
    vectors = json.loads((ROOT / "tests" / "vectors" / "cells.json").read_text(encoding="utf-8"))
    advert, session = vectors["cells"]["advert"], vectors["session"]
    protocol = "".join((DOCS / "protocol.md").read_text(encoding="utf-8").split())
    for value in (advert["signature"], advert["hash"], vectors["keys"]["node"]["public_key"], str(advert["end_ms"])):
        assert value in protocol
    login = "".join(RPC.split())
    for value in (session["presence"]["signature"], session["registry_id"], session["server_nonce"]):
        assert value in login
