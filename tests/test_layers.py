"""The layers as a test: who may import whom, and what may not be imported above the purity line.

Imports are read from the syntax tree, so those under functions and under `TYPE_CHECKING` count as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

CORES = ("dht", "overlay", "broadcast", "cells", "reconcile", "index", "qos")
PURE = ("base", "crypto", "wire", *CORES, "registry", "node")
DRIVERS = ("net", "storage", "rpc", "web", "sim")
GROUND = ("base", "crypto", "wire")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "base": (),
    "crypto": ("base",),
    "wire": ("base", "crypto"),
    **dict.fromkeys(CORES, GROUND),
    "registry": (*GROUND, *CORES),
    "node": (*GROUND, *CORES, "registry"),
    **dict.fromkeys(DRIVERS, PURE),
    "client": GROUND,
    **dict.fromkeys(["app", "cli", "demo"], (*PURE, *DRIVERS, "client", "app", "cli", "demo")),
}
EXEMPT = ["__init__", "__main__"]  # of p2preg itself: its version, and the way into cli

IMPURE = {"trio", "asyncio", "socket", "ssl", "time", "os", "threading", "logging", "secrets", "lmdb", "importlib"}
TYPES_ONLY = {"random"}  # the class Random for annotations; who creates the core passes one in

# Libraries of which the rest of the code sees our own words only: one codec, one verifier, one table, one store.
HOMES = {"cbor2": ["wire"], "nacl": ["crypto"], "kademlia": ["dht"], "lmdb": ["storage"], "OpenSSL": ["net"]}
KADEMLIA_PARTS = {"kademlia.node", "kademlia.routing"}  # the rest of the package needs an event loop or pickles


def imports(path: Path, package: list[str]) -> Iterator[tuple[int, str, bool]]:
    """(line, dotted name, whether for types only) of each import in `path`, a module of the dotted `package`."""
    tree = ast.parse(path.read_text(), str(path))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = [*above, *(node.module.split(".") if node.module else [])]
            names = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Name) and node.id == "__import__":
            names = ["importlib"]
        else:
            continue
        yield from ((node.lineno, name, node in for_types) for name in names)


def violations(root: Path) -> list[str]:
    """What breaks the layers in the tree `root`/p2preg, as "file:line what"."""
    found = []
    for path in sorted((root / "p2preg").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        layer = parts[1]
        if layer in EXEMPT:
            continue
        if layer not in MAY_IMPORT:
            found.append(f"{'/'.join(parts)}: {layer} is no layer; give it a place in {Path(__file__).name}")
            continue
        for line, name, for_types in imports(path, list(parts[:-1])):
            if why := objection(layer, name, for_types):
                found.append(f"{'/'.join(parts)}:{line} {why}")
    return list(dict.fromkeys(found))  # one line may import several names


def objection(layer: str, name: str, for_types: bool) -> str | None:
    """Why a module of `layer` may not import `name`; None when it may."""
    top, *rest = name.split(".")
    if top == "p2preg":
        target = rest[0] if rest else ""
        if target in MAY_IMPORT and target != layer and target not in MAY_IMPORT[layer]:
            return f"{layer} imports {target}"
        return None
    if layer in PURE and (top in IMPURE or (top in TYPES_ONLY and not for_types)):
        return f"{layer} is above the purity line and imports {top}"
    if top in HOMES and layer not in HOMES[top]:
        return f"{layer} imports {top}, which belongs to {' and '.join(HOMES[top])}"
    if top == "kademlia" and ".".join(name.split(".")[:2]) not in KADEMLIA_PARTS:
        return f"{layer} imports {name}; of kademlia only node and routing run without an event loop"
    return None


def test_every_import_points_to_a_layer_above() -> None:
    assert violations(ROOT) == []


# --- the check itself ---------------------------------------------------------------------------------------


def planted(root: Path, where: str, text: str) -> list[str]:
    path = root / "p2preg" / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return violations(root)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("dht/core.py", "import trio"),
        ("dht/core.py", "import os.path"),
        ("dht/core.py", "from time import monotonic"),
        ("dht/core.py", "def f():\n    import logging"),
        ("dht/core.py", "from random import Random"),
        ("dht/core.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from random import Random"),
        ("dht/core.py", "if TYPE_CHECKING:\n    import trio"),
        ("dht/core.py", "x = __import__('time')"),
        ("dht/core.py", "from importlib import import_module"),
        ("dht/deep/core.py", "import socket"),
        ("dht/core.py", "from p2preg.overlay import core"),
        ("dht/core.py", "from p2preg.overlay.core import Overlay"),
        ("dht/core.py", "from p2preg import overlay"),
        ("dht/core.py", "from ..overlay import core"),
        ("dht/core.py", "from .. import overlay"),
        ("dht/core.py", "import p2preg.registry.contact"),
        ("dht/core.py", "if TYPE_CHECKING:\n    from p2preg.cells.cell import Cell"),
        ("dht/core.py", "from kademlia.network import Server"),
        ("overlay/core.py", "from kademlia.node import Node"),
        ("crypto/verify.py", "from p2preg.wire import cbor"),
        ("cells/cell.py", "import cbor2"),
        ("wire/envelope.py", "from nacl.bindings import crypto_sign_open"),
        ("base/ids.py", "from p2preg.crypto import keys"),
        ("registry/homes.py", "from p2preg.node import core"),
        ("node/core.py", "from p2preg.net import link"),
        ("net/link.py", "from p2preg.rpc import session"),
        ("net/link.py", "import lmdb"),
        ("sim/network.py", "from p2preg.client import session"),
        ("client/session.py", "from p2preg.registry import units"),
        ("client/session.py", "from p2preg.net import tls"),
        ("helpers/misc.py", "x = 1"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, where: str, text: str) -> None:
    found = planted(tmp_path, where, text)
    assert len(found) == 1
    assert found[0].startswith("p2preg/" + where.removesuffix(".py"))


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("dht/core.py", "if TYPE_CHECKING:\n    from random import Random"),
        ("dht/core.py", "if typing.TYPE_CHECKING:\n    import random"),
        ("dht/core.py", "from . import table\nfrom .table import Table\nfrom p2preg.dht.bucket import Bucket"),
        ("dht/core.py", "import math, heapq\nfrom p2preg.wire import cbor\nfrom kademlia.node import Node"),
        ("wire/envelope.py", "from p2preg.crypto.keys import IdentityKey\nimport cbor2"),
        ("node/core.py", "from p2preg.dht.core import Dht\nfrom p2preg.registry import homes"),
        ("net/link.py", "import trio, logging, time\nfrom p2preg.node.core import NodeCore"),
        ("client/session.py", "import trio\nfrom p2preg.crypto import keys"),
        ("app/run.py", "from p2preg.net import link\nfrom p2preg.rpc import session\nfrom p2preg.cli import main"),
        ("__main__.py", "from p2preg.cli import main\nimport os"),
        ("__init__.py", "import os"),
    ],
)
def test_what_the_layers_allow_is_not_flagged(tmp_path: Path, where: str, text: str) -> None:
    assert planted(tmp_path, where, text) == []
