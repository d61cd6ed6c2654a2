"""The listener's limits, without sockets where possible."""

import errno

import pytest
import trio
import trio.testing

from p2preg.base.address import Address
from p2preg.base.errors import ConfigError, RemoteProtocolError
from p2preg.base.limits import HALF_OPEN_MAX, HANDSHAKES_PER_PREFIX_MAX
from p2preg.net.config import LinkConfig
from p2preg.net.link import Link
from p2preg.net.listener import HalfOpen, Listener, address_of, listening


def test_one_prefix_cannot_take_all_places() -> None:
    half_open = HalfOpen(HALF_OPEN_MAX, HANDSHAKES_PER_PREFIX_MAX)
    entered = [half_open.enter("192.0.2.0/24") for _ in range(HALF_OPEN_MAX)]
    assert sum(entered) == HANDSHAKES_PER_PREFIX_MAX
    assert half_open.enter("198.51.100.0/24")
    assert half_open.refused == HALF_OPEN_MAX - HANDSHAKES_PER_PREFIX_MAX


def test_all_together_are_capped_loopback_included() -> None:
    half_open = HalfOpen(HALF_OPEN_MAX, HANDSHAKES_PER_PREFIX_MAX)
    assert sum(half_open.enter("") for _ in range(2 * HALF_OPEN_MAX)) == HALF_OPEN_MAX
    assert not half_open.enter("192.0.2.0/24")
    half_open.leave("")
    assert half_open.enter("192.0.2.0/24")
    assert len(half_open) == HALF_OPEN_MAX


def test_a_place_that_was_left_can_be_taken_again() -> None:
    half_open = HalfOpen(4, 1)
    for _ in range(10):
        assert half_open.enter("192.0.2.0/24")
        half_open.leave("192.0.2.0/24")
    assert (len(half_open), half_open.refused, half_open._by_prefix) == (0, 0, {})


async def _refuse(stream: trio.abc.Stream, address: str) -> Link:
    raise RemoteProtocolError("not today")


async def _never(link: Link) -> None:
    raise AssertionError("no link was made")


async def test_an_address_in_use_is_the_operators_error_and_nothing_stays_open() -> None:
    async with listening([Address("127.0.0.1", 0)]) as (listener,):
        taken = address_of(listener)
        with pytest.raises(ConfigError, match=f"cannot listen on {taken}"):
            async with listening([Address("127.0.0.1", 0), taken]):
                raise AssertionError("both were opened")
    assert listener.socket.fileno() == -1


class Exhausted:
    """A listener that is out of file descriptors at first, then waits for ever."""

    def __init__(self) -> None:
        self.accepts = 0
        self.recovered = trio.Event()

    async def accept(self) -> trio.SocketStream:
        self.accepts += 1
        if self.accepts < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        self.recovered.set()
        await trio.sleep_forever()
        raise AssertionError

    async def __aenter__(self) -> "Exhausted":
        return self

    async def __aexit__(self, *_: object) -> None:
        return


async def test_without_file_descriptors_it_waits_and_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    exhausted = Exhausted()
    async with trio.open_nursery() as nursery:
        listener = Listener(_refuse, _never, LinkConfig())
        nursery.start_soon(listener.serve, [exhausted], nursery)
        await exhausted.recovered.wait()
        nursery.cancel_scope.cancel()
    assert exhausted.accepts == 4
