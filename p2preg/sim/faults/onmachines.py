"""Faults of the machines: processes that end, loops that stand still, disks and clocks that are not to be trusted."""

from __future__ import annotations

from random import Random

from p2preg.sim.disk import WRITE_SECONDS, Snapshot
from p2preg.sim.faults.fault import AGAIN_SECONDS, Fault, Recurring, Scene
from p2preg.sim.host import Host

BACK_SECONDS = 15.0  # after a start, until a registry has caught up


class Crash(Recurring):
    """Processes end, and start again with their disks."""

    name = "crash"
    share = 0.1

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(scene.rng.uniform(0.0, self.share))
        scene.disturb(chosen, self.seconds + BACK_SECONDS)
        for host in chosen:
            self.end_process(scene, host)
            scene.after(self.seconds * scene.rng.random(), self.start, scene, host)
        return bool(chosen)

    def end_process(self, scene: Scene, host: Host) -> None:
        host.crash()

    def start(self, scene: Scene, host: Host) -> None:
        if not host.is_up:
            host.start()


class PowerLoss(Crash):
    """The machine goes with the process: its peers notice by its silence."""

    name = "power loss"

    def end_process(self, scene: Scene, host: Host) -> None:
        host.crash(silent=True)


class MassCrash(Crash):
    """Up to half of the processes end at once."""

    name = "mass crash"
    times_max = 1
    share = 0.5

    def act(self, scene: Scene) -> bool:
        scene.shake(self.seconds + BACK_SECONDS)
        return super().act(scene)


class LostDisk(Crash):
    """Processes end, and start again with nothing but their keys."""

    name = "lost disk"

    def end_process(self, scene: Scene, host: Host) -> None:
        host.crash()
        host.disk.wipe()
        scene.disk_lost[host.id] = scene.now


class Backup(Crash):
    """Processes end, and start again with what was on their disks when the trouble began."""

    name = "old backup"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self._backups: dict[bytes, Snapshot] = {}

    def begin(self, scene: Scene) -> None:
        self._backups = {host.id: host.disk.snapshot() for host in scene.hosts}
        super().begin(scene)

    def end_process(self, scene: Scene, host: Host) -> None:
        host.crash()
        host.disk.restore(self._backups.get(host.id, ({}, {})))
        scene.disk_lost[host.id] = scene.now


class FullDisk(Recurring):
    """A disk is full: the process ends when it has to write, and starts again when there is room."""

    name = "full disk"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self._ended = 0

    @property
    def acts(self) -> int:
        return self._ended

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(0.0)
        for host in chosen:
            host.disk.is_full = True
            scene.after(self.seconds, self._make_room, scene, host)
        scene.disturb(chosen, scene.ends_at - scene.now)
        return bool(chosen)

    def _make_room(self, scene: Scene, host: Host) -> None:
        if host.is_up and scene.now < scene.ends_at:
            scene.after(AGAIN_SECONDS, self._make_room, scene, host)  # it had nothing to write so far
            return
        host.disk.is_full = False
        if not host.is_up:
            self._ended += 1
            host.start()


class SlowDisk(Recurring):
    """Disks take long for each write."""

    name = "slow disk"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.delay = rng.uniform(0.05, 2.0)

    def text(self) -> str:
        return f"{super().text()}, {self.delay:.2f} s a write"

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(0.2)
        for host in chosen:
            host.disk.delay = self.delay
            scene.after(self.seconds, self._speed_up, host)
        return bool(chosen)

    def _speed_up(self, host: Host) -> None:
        host.disk.delay = WRITE_SECONDS


class Stalls(Recurring):
    """Event loops stand still for a while."""

    name = "stalls"
    times_max = 20
    seconds_max = 20.0

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(0.02)
        scene.disturb(chosen, self.seconds + BACK_SECONDS)
        for host in chosen:
            host.stall(min(self.seconds * scene.rng.random(), scene.ends_at - scene.now))
        return bool(chosen)


class SlowLoops(Recurring):
    """Event loops take long for each event."""

    name = "slow loops"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.event_seconds = rng.uniform(0.0005, 0.01)

    def text(self) -> str:
        return f"{super().text()}, {1000 * self.event_seconds:.1f} ms an event"

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(0.1)
        scene.disturb(chosen, self.seconds + BACK_SECONDS)
        for host in chosen:
            host.slow_down(self.event_seconds)
            scene.after(self.seconds, host.slow_down, 0.0)
        return bool(chosen)


class MassJoin(Recurring):
    """Many new registries come at once, and stay."""

    name = "mass join"
    times_max = 1

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.share = rng.uniform(0.1, 0.5)

    def text(self) -> str:
        return f"{self.share:.2f} as many as there are"

    def act(self, scene: Scene) -> bool:
        up = scene.up
        if not up:
            return False
        seed = scene.rng.choice(up)
        count = max(1, round(self.share * len(scene.hosts)))
        joined = [scene.world.add_registry(seed) for _ in range(count)]
        scene.disturb(joined, BACK_SECONDS)
        return True


class WrongClocks(Recurring):
    """Wall clocks are set minutes off, and right again."""

    name = "wrong clocks"
    off_ms_max = 240_000  # beyond 5 min others hold what it signs apart, which takes as long to pass

    def act(self, scene: Scene) -> bool:
        chosen = scene.some_up(0.2)
        for host in chosen:
            by_ms = scene.rng.randint(-self.off_ms_max, self.off_ms_max)
            if abs(host.clock.offset_ms + by_ms) <= self.off_ms_max:
                host.clock.step(by_ms)
                scene.after(self.seconds, host.clock.step, -by_ms)
        return bool(chosen)


class Drift(Fault):
    """Clocks run fast or slow, wall and monotonic alike."""

    name = "drift"

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.most = rng.choice((100.0, 500.0, 5_000.0))

    def text(self) -> str:
        return f"up to {self.most:.0f} ppm"

    def begin(self, scene: Scene) -> None:
        for host in scene.hosts:
            host.drift(scene.rng.uniform(-self.most, self.most))
            self._acts += 1

    def end(self, scene: Scene) -> None:
        for host in scene.hosts:
            host.drift(0.0)
