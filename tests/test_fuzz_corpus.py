"""The fuzz targets on their committed inputs: seeds from real encoders, and each input that once broke an invariant.

The search for new ones is `scripts/fuzz`."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from fuzz import batch, cbor, cell, envelope, filter, filter_text, frames, messages, node, nodes
from fuzz.reference import Refused, read
from fuzz.repair import repaired
from fuzz.targets import TARGETS, sentence
from p2preg.dht.contact import Contact
from p2preg.index.terms import Eq
from p2preg.wire.cbor import NotCanonical, decode
from p2preg.wire.framing import FrameReader

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
INPUTS = sorted(
    path
    for kind in ("corpus", "regressions")
    for target in TARGETS
    for path in (ROOT / "fuzz" / kind / target).glob("*")
)


def script(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_the_invariant_holds_for_a_committed_input(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_its_sentence_and_its_seeds_and_takes_nothing_for_an_input(target: str) -> None:
    assert sentence(target).endswith(".")
    assert any(path.parent.name == target for path in INPUTS)
    TARGETS[target](b"")


def test_every_folder_of_inputs_belongs_to_a_target() -> None:
    folders = [path for kind in ("corpus", "regressions") for path in (ROOT / "fuzz" / kind).glob("*/")]
    assert {folder.name for folder in folders} <= set(TARGETS)


def test_the_committed_seeds_are_what_the_generator_writes() -> None:
    stale = [path.name for path, data in script("fuzz-seeds").build().items() if path.read_bytes() != data]
    assert stale == [], "run scripts/fuzz-seeds"


# --- the targets themselves ---------------------------------------------------------------------------------


class ForgetfulReader(FrameReader):
    """Loses what a chunk leaves unfinished."""

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer.clear()
        return super().feed(data)


def accepts_trailing_bytes(data: bytes) -> object:
    for end in range(1, len(data) + 1):
        try:
            return decode(data[:end])
        except NotCanonical:
            continue
    raise NotCanonical("nothing at all")


def raises_value_error(*_: object, **__: object) -> object:
    raise ValueError("not our error")


def believes_every_cell(raw: bytes) -> Contact:
    return Contact.of(b"M" * 32, "192.0.2.9:4010", b"a cell that nobody sent")


def accepts_anything(tree: object) -> object:
    return Eq("no.such.field", 0)


@pytest.mark.parametrize(
    ("module", "name", "broken", "data"),
    [
        (frames, "FrameReader", ForgetfulReader, b"\0\0\0\x01a"),
        (cbor, "decode", accepts_trailing_bytes, b"\x00\x00"),
        (cbor, "decode", raises_value_error, b""),
        (messages, "decode_message", raises_value_error, b"\x81\x14"),
        (envelope, "verify", lambda check: True, b"\x01\x00"),
        (envelope, "verify", lambda check: False, b""),
        (cell, "parse_cell", raises_value_error, b""),
        (cell, "verify", lambda check: False, (CORPUS / "cell" / "lease-payload").read_bytes()),
        (batch, "parse_batch", raises_value_error, b""),
        (batch, "sign_batch", raises_value_error, (CORPUS / "batch" / "batch-0").read_bytes()),
        (node, "decode_message", raises_value_error, b"\x81\x14"),
        (nodes, "read_cell", believes_every_cell, b"any"),
        (filter, "parse_filter", accepts_anything, b"{}"),
        (filter_text, "parse_filter", raises_value_error, b"kind=sfu"),
    ],
)
def test_a_target_notices_a_broken_implementation(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, broken: object, data: bytes
) -> None:
    one_input: Callable[[bytes], None] = module.one_input
    one_input(data)
    monkeypatch.setattr(module, name, broken)
    with pytest.raises((AssertionError, ValueError)):
        one_input(data)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_repaired_bytes_are_canonical_and_canonical_bytes_need_no_repair(path: Path) -> None:
    data = path.read_bytes()
    assert decode(repaired(data)) == read(repaired(data))
    try:
        read(data)
    except Refused:
        return
    assert repaired(data) == data
