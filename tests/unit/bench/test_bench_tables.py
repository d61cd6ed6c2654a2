"""The benchmark's own parts: that they load, and that what they print can be read. Nothing here times anything."""

from __future__ import annotations

import json
from random import Random

import pytest

from p2preg.crypto.presence import PRESENCE, proof_message
from p2preg.crypto.verify import SignatureCheck, verify
from scripts.benchmarks import client
from scripts.benchmarks.media_nodes import MediaKey, attributes
from scripts.benchmarks.table import Table, number, percentile, render, spread
from scripts.benchmarks.topics import TOPICS


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_runs_at_a_scale_and_says_what_it_is(topic: str) -> None:
    assert callable(TOPICS[topic].run)
    assert TOPICS[topic].__doc__


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12 300"), (1_000.0, "1 000"), (999.9, "1000"), (123.4, "123"), (4.5678, "4.57"), (0.0789, "0.0789")],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_repeats_are_shown_by_their_median_and_extremes() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2 [1..3]"
    assert spread([2.0]) == "2"


def test_a_percentile_is_the_nearest_rank() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0], 0.99) == 1.0


def test_a_table_is_markdown_with_its_command_and_the_noise() -> None:
    table = Table("writes", "Writes", others=0.25)
    table.add("registrations/s", [1.0, 2.0], "≥ 1", "etcd 1 700")
    lines = render(table).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3
    assert len({len(row) for row in rows}) == 1
    assert "1.5 [1..2]" in rows[2]
    assert "`scripts/bench writes`" in lines
    assert any("25%" in line for line in lines)


def test_the_workload_is_of_the_size_that_peers_were_given() -> None:
    assert 350 <= len(json.dumps(attributes(Random(1), 1), separators=(",", ":"))) <= 500


def test_the_clients_proof_is_the_one_that_the_registry_checks() -> None:
    key = MediaKey(Random(1))
    hello = {"network": "bench", "registry_id": bytes(32).hex(), "server_nonce": bytes(range(32)).hex()}
    seq, signature = key.prove(hello, "127.0.0.1:1")
    message = proof_message(PRESENCE, "bench", "127.0.0.1:1", bytes(32), bytes(range(32)), seq)
    assert verify(SignatureCheck(key.public, message, bytes.fromhex(signature)))


def test_calls_are_packed_into_batches_of_the_size_asked_for() -> None:
    calls = [client.request(at, "rpc.ping", {}) for at in range(5)]
    assert [batch.count(b"rpc.ping") for batch in client.batches(calls, 2)] == [2, 2, 1]


def test_an_error_among_the_answers_ends_a_benchmark() -> None:
    with pytest.raises(RuntimeError, match="limit"):
        client.result_of([{"result": 1}, {"error": {"message": "limit"}}])
