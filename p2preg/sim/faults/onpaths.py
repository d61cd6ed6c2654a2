"""Faults of the network between the registries."""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from typing import ClassVar

from p2preg.sim.faults.fault import Fault, Recurring, Scene
from p2preg.sim.host import Host
from p2preg.sim.network import Network

AFTERMATH_SECONDS = 15.0  # in which a keep-alive notices, and the overlay finds other links


class EverywhereFault(Fault):
    """A share of all messages, all the time."""

    attribute: ClassVar[str]
    counted: ClassVar[str]
    least: ClassVar[float]
    most: ClassVar[float]

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.share = rng.uniform(self.least, self.most)

    def text(self) -> str:
        return f"{self.share:.3f} of all messages"

    def begin(self, scene: Scene) -> None:
        setattr(scene.world.network, self.attribute, self.share)
        scene.shake(scene.ends_at - scene.now)

    def end(self, scene: Scene) -> None:
        setattr(scene.world.network, self.attribute, 0.0)
        self._acts = scene.world.network.counts[self.counted]


class Loss(EverywhereFault):
    """Gossip and announcements are dropped, as full outboxes would."""

    name, attribute, counted, least, most = "loss", "loss", "lost", 0.005, 0.05


class Jitter(EverywhereFault):
    """Messages take longer, in their order."""

    name, attribute, counted, least, most = "jitter", "jitter", "jittered", 0.2, 3.0

    def text(self) -> str:
        return f"up to {self.share:.2f} of the latency more"


class Duplication(EverywhereFault):
    """Messages come twice."""

    name, attribute, counted, least, most = "duplication", "duplication", "duplicated", 0.005, 0.05


class Reordering(EverywhereFault):
    """Messages come after later ones."""

    name, attribute, counted, least, most = "reordering", "reordering", "reordered", 0.005, 0.05


class SlowReaders(Fault):
    """Some registries take few bytes a second, so the outboxes towards them fill."""

    name = "slow readers"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.share = rng.uniform(0.02, 0.2)
        self.rate = rng.uniform(20.0, 500.0)
        self.outbox_bytes = rng.choice((2_048, 8_192, 65_536))

    def text(self) -> str:
        return f"{self.share:.2f} of the registries take {self.rate:.0f} B/s a link; outboxes of {self.outbox_bytes} B"

    def begin(self, scene: Scene) -> None:
        slow = scene.some_up(self.share)
        network = scene.world.network
        network.outbox_bytes_max = self.outbox_bytes
        network.throttle(scene.hosts, slow, self.rate)
        scene.disturb(slow, scene.ends_at - scene.now)

    def end(self, scene: Scene) -> None:
        scene.world.network.throttle(scene.hosts, scene.hosts, None)
        self._acts = scene.world.network.counts["squeezed"]


class LongWay(Recurring):
    """The way from one registry to another takes seconds."""

    name = "long way"
    times_max = 10

    def act(self, scene: Scene) -> bool:
        one, other = scene.rng.sample(scene.hosts, 2)
        scene.world.network.delay(one, other, scene.rng.lognormvariate(0.0, 1.0))
        scene.disturb((one, other), self.seconds)
        scene.after(self.seconds, scene.world.network.delay, one, other, 0.0)
        return True


class Cut(Recurring):
    """Some paths are cut, and mended."""

    @abstractmethod
    def sides(self, scene: Scene) -> tuple[list[Host], list[Host], bool]:
        """From whom to whom, and whether back as well."""

    def act(self, scene: Scene) -> bool:
        one, other, both = self.sides(scene)
        if not one or not other:
            return False
        network = scene.world.network
        for senders, receivers in ((one, other), (other, one))[: 1 + both]:
            network.cut(senders, receivers)
            scene.after(self.seconds, network.mend, senders, receivers)
        if len(one) + len(other) > len(scene.hosts) // 2 and min(len(one), len(other)) > 1:
            scene.shake(self.seconds + AFTERMATH_SECONDS)
        else:
            scene.disturb(one if len(one) <= len(other) else other, self.seconds + AFTERMATH_SECONDS)
        return True


class Split(Cut):
    """The network falls into two parts."""

    name = "split"
    times_max = 2

    def sides(self, scene: Scene) -> tuple[list[Host], list[Host], bool]:
        one = scene.rng.sample(scene.hosts, scene.rng.randint(1, len(scene.hosts) // 2))
        return one, _others(scene.hosts, one), True


class OneWay(Cut):
    """Nothing passes from one registry to another."""

    name = "one-way cut"

    def sides(self, scene: Scene) -> tuple[list[Host], list[Host], bool]:
        one, other = scene.rng.sample(scene.hosts, 2)
        return [one], [other], False


class Deaf(Cut):
    """One registry hears nobody, though all hear it."""

    name = "deaf one"

    def sides(self, scene: Scene) -> tuple[list[Host], list[Host], bool]:
        deaf = scene.rng.sample(scene.hosts, 1)
        return deaf, _others(scene.hosts, deaf), False


class Alone(Cut):
    """One registry is cut off from all others."""

    name = "isolated one"

    def sides(self, scene: Scene) -> tuple[list[Host], list[Host], bool]:
        alone = scene.rng.sample(scene.hosts, 1)
        return alone, _others(scene.hosts, alone), True


class Swizzle(Recurring):
    """Some registries are cut off one by one, and come back in another order (FoundationDB's swizzle-clogging)."""

    name = "swizzle"
    times_max = 2

    def act(self, scene: Scene) -> bool:
        chosen = scene.rng.sample(scene.hosts, scene.rng.randint(2, max(2, len(scene.hosts) // 3)))
        step = self.seconds / len(chosen)
        back = scene.rng.sample(chosen, len(chosen))
        network, hosts = scene.world.network, list(scene.hosts)
        for number, (gone, again) in enumerate(zip(chosen, back, strict=True)):
            scene.after(step * number, _isolate, network, gone, hosts)
            scene.after(self.seconds + step * number, _rejoin, network, again, hosts)
        scene.disturb(chosen, 2 * self.seconds + AFTERMATH_SECONDS)
        return True


class Resets(Recurring):
    """Links end at once, with all that is under way."""

    name = "resets"
    times_max = 20

    def act(self, scene: Scene) -> bool:
        links = scene.world.network.links()
        if not links:
            return False
        one, other = scene.rng.choice(links)
        scene.disturbed.update(dict.fromkeys((one.id, other.id), scene.now))
        return scene.world.network.reset(one, other)


class HalfOpen(Recurring):
    """One end of a link is gone, and the other does not know."""

    name = "half-open links"
    times_max = 20

    def act(self, scene: Scene) -> bool:
        links = scene.world.network.links()
        if not links:
            return False
        ends = scene.rng.sample(scene.rng.choice(links), 2)
        for end in ends:
            scene.disturbed[end.id] = max(scene.disturbed.get(end.id, 0.0), scene.now + AFTERMATH_SECONDS)
        return scene.world.network.break_half(*ends)


def _others(hosts: list[Host], some: list[Host]) -> list[Host]:
    return [host for host in hosts if host not in some]


def _isolate(network: Network, one: Host, hosts: list[Host]) -> None:
    network.cut([one], hosts)
    network.cut(hosts, [one])


def _rejoin(network: Network, one: Host, hosts: list[Host]) -> None:
    network.mend([one], hosts)
    network.mend(hosts, [one])
