"""What is parsed once for all registries of a simulated network belongs to all of them: nobody may change it."""

from __future__ import annotations

import pytest
from sim_scenes import agree

from p2preg.broadcast.batch import Batch, parse_batch
from p2preg.cells.cell import Cell, CellInvalid, parse_cell
from p2preg.crypto.verify import verify
from p2preg.node.reading import Reading
from p2preg.sim import World
from p2preg.sim.reading import shared_reading


def test_registries_share_what_one_of_them_has_parsed_and_leave_it_as_it_was() -> None:
    world = World(1)
    shared = world.reading
    batches: dict[bytes, Batch] = {}
    cells: dict[bytes, Cell] = {}

    def open_batch(raw: bytes, network: str) -> Batch:
        batch = shared.parse_batch(raw, network)
        assert batches.setdefault(raw, batch) is batch
        return batch

    def open_cell(raw: bytes) -> Cell:
        cell = shared.parse_cell(raw)
        assert cells.setdefault(raw, cell) is cell
        return cell

    world.reading = Reading(open_cell, open_batch, shared.verify)
    hosts = world.add_registries(4)
    nodes = [node for host in hosts for node in world.register(host, 2)]
    client = nodes[0].client
    assert client is not None
    client.call("node.load", load=0.5, participants=3)
    world.run(10.0)
    assert agree(world, len(nodes))
    assert sum(len(batch.pages) for batch in batches.values()) > 0
    assert all(batch == parse_batch(raw, batch.network) for raw, batch in batches.items())
    for raw, cell in cells.items():
        fresh = parse_cell(raw, world.network_file)
        assert (cell.key, cell.order, cell.end_ms, cell.proof, cell.body) == (
            fresh.key, fresh.order, fresh.end_ms, fresh.proof, fresh.body,
        )  # fmt: skip


def test_what_is_no_cell_is_none_the_second_time_either() -> None:
    reading = shared_reading(World(1).network_file, verify)
    for _ in range(2):
        with pytest.raises(CellInvalid):
            reading.parse_cell(b"no cell")
