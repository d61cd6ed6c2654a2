"""Style that a machine can judge: leftovers, prints, broad excepts, sleeping tests, dead modules, length and the like.

Each rule is a function of one file's text, and is shown to fail on planted text."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LINES_MAX = 400
LEFTOVERS = re.compile(r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "X" * 3)) + r")\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w")
BINARY = {".png", ".gz"}
FUZZ_INPUT = ("fuzz/corpus/", "fuzz/regressions/")

SLEEPS = {"trio.sleep", "trio.sleep_until", "time.sleep", "sleep"}

# The boundaries: a bug on one link, in one session or in one call ends that one and is logged. Nowhere else.
BROAD_EXCEPTS = {"p2preg/net/link.py", "p2preg/rpc/session.py", "p2preg/rpc/server.py", "p2preg/net/driver.py"}
# Modules from which the rest must be reached: the command line, the SDK that others import, and the simulator.
ENTRY_POINTS = {"p2preg", "p2preg.__main__", "p2preg.cli", "p2preg.client", "p2preg.sim"}


def tracked() -> list[str]:
    """Every file of the repository, those not committed yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


def is_python(name: str, text: str) -> bool:
    return name.endswith(".py") or (text.startswith("#!") and "python" in text.partition("\n")[0])


def texts() -> dict[str, str]:
    names = (name for name in tracked() if not name.startswith(FUZZ_INPUT) and Path(name).suffix not in BINARY)
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


# --- rules: (name, text) -> lines at fault ------------------------------------------------------------------

Rule = Callable[[str, str], Iterator[int]]


def matching(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    return (n for n, line in enumerate(text.splitlines(), start=1) if pattern.search(line))


def leftovers(name: str, text: str) -> Iterator[int]:
    return matching(LEFTOVERS, text)


def machine_paths(name: str, text: str) -> Iterator[int]:
    return matching(MACHINE_PATHS, text)


def too_long(name: str, text: str) -> Iterator[int]:
    if (is_python(name, text) or name.startswith("scripts/")) and text.count("\n") > LINES_MAX:
        yield text.count("\n")


def prints(name: str, text: str) -> Iterator[int]:
    if name.startswith("p2preg/") and name.endswith(".py") and not name.startswith(("p2preg/cli/", "p2preg/cli.py")):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield node.lineno


def broad_excepts(name: str, text: str) -> Iterator[int]:
    if not name.startswith("p2preg/") or not name.endswith(".py") or name in BROAD_EXCEPTS:
        return
    for node in ast.walk(ast.parse(text)):
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno
            else:
                caught = [node.type]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = node.args
        names = [inner for expr in caught for inner in ast.walk(expr) if isinstance(inner, ast.Name)]
        yield from (name.lineno for name in names if name.id in ("Exception", "BaseException"))


def sleeps(name: str, text: str) -> Iterator[int]:
    if name.startswith("tests/") and name.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SLEEPS:
                yield node.lineno


RULES: dict[str, tuple[Rule, str]] = {
    "leftovers": (leftovers, "do it, or file an issue"),
    "machine paths": (machine_paths, "use a path relative to the repository, or $HOME"),
    "too long": (too_long, f"over {LINES_MAX} lines: find the second noun in it"),
    "prints": (prints, "return the fact and let cli print it"),
    "broad excepts": (broad_excepts, f"catch the narrowest thing; the boundaries are {sorted(BROAD_EXCEPTS)}"),
    "sleeps": (sleeps, "wait for a condition, under autojump_clock if time has to pass"),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_is_tidy(rule: str) -> None:
    check, remedy = RULES[rule]
    faults = [f"{name}:{line}" for name, text in texts().items() for line in check(name, text)]
    assert faults == [], remedy


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        ("leftovers", "docs/a.md", "well\n" + "TO" + "DO: write"),
        ("leftovers", "p2preg/a.py", "x = 1  # FIX" + "ME"),
        ("machine paths", "docs/a.md", "run /ho" + "me/alice/p2preg"),
        ("machine paths", "scripts/a", "cd /wo" + "rk/main"),
        ("too long", "p2preg/a.py", "\n" * (LINES_MAX + 1)),
        ("too long", "scripts/a", "#!/usr/bin/env bash" + "\n" * (LINES_MAX + 1)),
        ("prints", "p2preg/net/a.py", "def f():\n    print(1)"),
        ("broad excepts", "p2preg/net/a.py", "try:\n    pass\nexcept Exception:\n    pass"),
        ("broad excepts", "p2preg/net/a.py", "try:\n    pass\nexcept:\n    pass"),
        ("broad excepts", "p2preg/net/a.py", "try:\n    pass\nexcept (OSError, BaseException) as e:\n    pass"),
        ("broad excepts", "p2preg/net/a.py", "with contextlib.suppress(Exception):\n    pass"),
        ("sleeps", "tests/a.py", "async def f():\n    await trio.sleep(1)"),
        ("sleeps", "tests/a.py", "import time\ntime.sleep(1)"),
        ("sleeps", "tests/a.py", "from trio import sleep\nsleep(1)"),
    ],
)
def test_each_rule_finds_what_is_planted(rule: str, name: str, text: str) -> None:
    assert len(list(RULES[rule][0](name, text))) == 1


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        ("leftovers", "docs/a.md", "a custodian, XXXL"),
        ("machine paths", "docs/a.md", "https://example.org/home/shop, src/home/x, $HOME/p2preg"),
        ("too long", "docs/a.md", "\n" * 1000),
        ("prints", "p2preg/cli/a.py", "print(1)"),
        ("prints", "scripts/a.py", "print(1)"),
        ("broad excepts", "p2preg/net/link.py", "try:\n    pass\nexcept Exception:\n    pass"),
        ("broad excepts", "p2preg/net/a.py", "try:\n    pass\nexcept (ValueError, OSError):\n    pass"),
        ("sleeps", "p2preg/net/a.py", "await_it = trio.sleep(1)"),
        ("sleeps", "tests/a.py", "trio.sleep_forever()"),
    ],
)
def test_no_rule_flags_what_is_fine(rule: str, name: str, text: str) -> None:
    assert list(RULES[rule][0](name, text)) == []


# --- dead modules -------------------------------------------------------------------------------------------


def module_name(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(text: str) -> set[str]:
    """Dotted names that `text` imports; for `from a import b` both a and a.b, since b may be a module."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def unreached(files: dict[str, str]) -> list[str]:
    """Modules of p2preg that no entry point and no script leads to. Tests lead nowhere: what only they use is dead."""
    modules = {module_name(name): imported(text) for name, text in files.items() if name.startswith("p2preg/")}
    outside = [imported(text) for name, text in files.items() if name.startswith(("scripts/", "fuzz/", "bench/"))]
    queue = [*(ENTRY_POINTS & set(modules)), *(name for names in outside for name in names)]
    reached = set()
    while queue:
        name = queue.pop()
        if name in modules and name not in reached:
            reached.add(name)
            parents = [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]
            queue += [*modules[name], *parents]
    return sorted(set(modules) - reached)


def test_every_module_is_reached_from_an_entry_point() -> None:
    python = {name: text for name, text in texts().items() if is_python(name, text)}
    if not (ROOT / "p2preg" / "__main__.py").exists():
        pytest.skip("there is no command line yet that could reach the modules")
    assert unreached(python) == []


def test_a_module_that_only_a_test_imports_is_dead() -> None:
    files = {
        "p2preg/__init__.py": "",
        "p2preg/cli/__init__.py": "from p2preg.cli.run import main",
        "p2preg/cli/run.py": "def main():\n    from p2preg.wire import cbor",
        "p2preg/wire/__init__.py": "",
        "p2preg/wire/cbor.py": "",
        "p2preg/wire/old.py": "from p2preg.wire import older",
        "p2preg/wire/older.py": "",
        "tests/test_old.py": "import p2preg.wire.old",
    }
    assert unreached(files) == ["p2preg.wire.old", "p2preg.wire.older"]
    assert unreached(files | {"scripts/bench": "import p2preg.wire.old"}) == []
