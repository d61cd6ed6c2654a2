"""Transports over real sockets on 127.0.0.1: honest ones find each other, hostile ones cost their own connection."""

import gc

import pytest
import trio
import trio.testing
from transports import (
    CONFIG,
    GREAT,
    MIDDLE,
    PATIENT,
    SMALL,
    Inbox,
    Registry,
    check_hello,
    hello_of,
    registry,
)

from p2preg.base.address import Address
from p2preg.base.errors import ConfigError
from p2preg.net import Transport
from p2preg.wire.messages import Gossip, Prune

# --- honest ------------------------------------------------------------------------------------------------------


async def test_two_registries_link_up_and_exchange_messages() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        (up,) = alice.inbox.ups
        assert (up.peer, up.outbound, up.address) == (bob.id, True, bob.endpoint)
        assert (bob.inbox.ups[0].peer, bob.inbox.ups[0].outbound) == (alice.id, False)
        for number in range(100):
            alice.transport.send(bob.id, Gossip(bytes([number])))
            bob.transport.send(alice.id, Gossip(bytes([number])))
        await bob.inbox.wait_until(lambda: len(bob.inbox.messages) == 100)
        await alice.inbox.wait_until(lambda: len(alice.inbox.messages) == 100)
        assert bob.inbox.messages == [(alice.id, Gossip(bytes([number]))) for number in range(100)]


async def test_a_seed_is_dialled_without_knowing_who_it_is() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        alice.transport.dial(bob.endpoint, None)
        await alice.inbox.wait_until(lambda: alice.inbox.linked() == [bob.id])
        alice.transport.dial(bob.endpoint, None)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures == [(bob.endpoint, None, "a link to this peer is up already")]
        assert bob.inbox.linked() == [alice.id]
        assert (len(alice.inbox.ups), len(bob.inbox.ups)) == (1, 1)


async def test_somebody_else_at_the_endpoint_is_not_linked() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        alice.transport.dial(bob.endpoint, GREAT.public)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        ((endpoint, expected, reason),) = alice.inbox.failures
        assert (endpoint, expected) == (bob.endpoint, GREAT.public)
        assert reason == f"{GREAT.public[:4].hex()} was dialled, {bob.id[:4].hex()} answered"
        assert (alice.inbox.ups, bob.inbox.ups) == ([], [])


async def test_a_registry_does_not_link_with_itself() -> None:
    async with registry(SMALL) as alice:
        alice.transport.dial(alice.endpoint, None)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures[0][2] == "this registry itself answers there"
        assert alice.inbox.ups == []


async def test_nobody_at_the_endpoint_is_a_failed_dial() -> None:
    async with registry(MIDDLE) as bob:
        nobody = bob.endpoint
    async with registry(SMALL) as alice:
        alice.transport.dial(nobody, bob.id)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert alice.inbox.failures[0][:2] == (nobody, bob.id)


async def test_another_network_is_refused_and_both_know_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with registry(SMALL, network="mars") as alice, registry(MIDDLE, network="earth") as bob:
        alice.dial(bob)
        await alice.inbox.wait_until(lambda: bool(alice.inbox.failures))
        assert "the network here is earth, not 'mars'" in alice.inbox.failures[0][2]
        assert (alice.inbox.ups, bob.inbox.ups) == ([], [])
    assert any("reason=the network here is earth, not 'mars'" in record.getMessage() for record in caplog.records)


async def test_an_address_in_use_is_the_operators_error() -> None:
    async with registry(SMALL) as alice:
        transport = Transport(MIDDLE, lambda: hello_of(MIDDLE), check_hello, Inbox(), CONFIG)
        with pytest.raises(ConfigError, match="cannot listen on"):
            await transport.run([alice.address])


# --- one link per peer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(10))
async def test_when_both_dial_at_once_one_link_remains_on_both_sides(attempt: int) -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        alice.dial(bob)
        bob.dial(alice)
        for one, peer in ((alice, bob), (bob, alice)):
            await one.inbox.wait_until(lambda one=one, peer=peer: one.inbox.linked() == [peer.id])  # type: ignore[misc]
        for number in range(50):
            alice.transport.send(bob.id, Gossip(bytes([number])))
            bob.transport.send(alice.id, Gossip(bytes([number])))
            await trio.lowlevel.checkpoint()
        everything = [bytes([number]) for number in range(50)]
        for one in (alice, bob):
            await one.inbox.wait_until(lambda one=one: len(one.inbox.messages) == 50)  # type: ignore[misc]
            assert sorted(message.batch for _, message in one.inbox.messages) == everything  # type: ignore[attr-defined]
            assert len(one.inbox.ups) == 1
            assert one.inbox.downs == []
        await _settled(alice, bob)
        (hers,), (his,) = alice.transport.statistics().links, bob.transport.statistics().links
        assert (hers.outbound, his.outbound) == (True, False), "of two links the smaller id's is kept"


async def test_a_peer_that_restarts_goes_down_and_comes_up() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE, epoch=1) as bob:
        await alice.link(bob)
        alices_view = alice.inbox
        async with registry(MIDDLE, epoch=2) as reborn:
            reborn.dial(alice)
            await reborn.inbox.wait_until(lambda: reborn.inbox.linked() == [alice.id])
            await alices_view.wait_until(lambda: len(alices_view.ups) == 2)
            assert alices_view.downs == [bob.id]
            assert alices_view.ups[1].hello.epoch == 2
            await bob.inbox.wait_until(lambda: bob.inbox.downs == [alice.id])
            bob.dial(alice)
            await bob.inbox.wait_until(lambda: bool(bob.inbox.failures))
            assert "a newer process" in bob.inbox.failures[0][2]


async def test_closing_a_link_is_told_once_on_both_sides_and_it_can_be_dialled_again() -> None:
    async with registry(SMALL) as alice, registry(MIDDLE) as bob:
        await alice.link(bob)
        alice.transport.send(bob.id, Prune([]))
        alice.transport.close(bob.id, "no longer needed")
        assert alice.inbox.downs == [bob.id]
        await bob.inbox.wait_until(lambda: bob.inbox.downs == [alice.id])
        assert bob.inbox.messages == [(alice.id, Prune([]))]
        await alice.link(bob)


async def test_goodbye_flushes_tells_everyone_and_lets_run_return() -> None:
    inbox = Inbox()
    transport = Transport(SMALL, lambda: hello_of(SMALL), check_hello, inbox, CONFIG)
    async with registry(MIDDLE) as bob:
        with trio.fail_after(PATIENT):
            async with trio.open_nursery() as nursery:
                await nursery.start(transport.run, [Address("127.0.0.1", 0)])
                transport.dial(bob.endpoint, bob.id)
                await inbox.wait_until(lambda: inbox.linked() == [bob.id])
                for number in range(20):
                    transport.send(bob.id, Gossip(bytes([number]) * 10_000))
                await transport.goodbye("restart")
        await bob.inbox.wait_until(lambda: bob.inbox.downs == [SMALL.public])
        assert len(bob.inbox.messages) == 20
        assert inbox.linked() == []


async def test_a_cancelled_transport_leaves_no_task_and_no_socket() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with registry(SMALL) as alice, registry(MIDDLE) as bob, registry(GREAT) as carol:
        await alice.link(bob)
        await carol.link(alice)
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert alice.inbox.linked() == bob.inbox.linked() == carol.inbox.linked() == []
    gc.collect()  # an open socket would warn, and warnings are errors


async def _settled(*registries: Registry) -> None:
    """Wait until each registry has one link running and none that drains."""
    with trio.fail_after(PATIENT):
        while any(len(registry.transport._carried) > 1 for registry in registries):
            await trio.lowlevel.checkpoint()
