"""One run of the demo: processes, story, display and summary, nested by lifetime; whatever ends it, nothing stays."""

from __future__ import annotations

import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import trio
from rich.console import Console

from p2preg.demo import display
from p2preg.demo.claims import Claim
from p2preg.demo.plainlog import PlainLog
from p2preg.demo.processes import end_all
from p2preg.demo.stage import Stage
from p2preg.demo.story import play, script
from p2preg.demo.summary import holds, print_summary

STEP_SECONDS = 1.5  # the least time of a step on the display, so that a person can follow; a log needs none
PIPE_COLUMNS = 160  # of what is no terminal: wide enough for every line of the summary
EXIT_BROKEN = 1
EXIT_SIGNAL = 128  # and the signal's number: 130 for Ctrl-C
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How large, whether to stay, the seed of the fleet, and whether to do without the display."""

    registries: int
    nodes: int
    keep: bool
    seed: int
    plain: bool


class Demo:
    """What `run_demo` and its tasks share."""

    def __init__(self, options: DemoOptions, directory: Path, console: Console) -> None:
        self.options = options
        self.console = console
        self.is_live = not options.plain and display.fits(console)
        log = PlainLog(console)
        say = _say_nothing if self.is_live else log.line
        self.stage = Stage(directory, options.registries, options.nodes, options.seed, say)
        self.claims: list[Claim] = []
        self.told = False  # the whole story
        self.signal: int | None = None
        self.seconds = 0.0

    @property
    def step_seconds(self) -> float:
        return STEP_SECONDS if self.is_live else 0.0

    @property
    def exit_code(self) -> int:
        if self.signal is not None and not self.told:
            return EXIT_SIGNAL + self.signal
        return 0 if holds(self.claims) else EXIT_BROKEN


def _say_nothing(seconds: float, mark: str, text: str) -> None:
    """On the display everything is seen."""


async def run_demo(options: DemoOptions) -> int:
    """Run it; the exit code."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    with tempfile.TemporaryDirectory(prefix="p2preg-demo-", ignore_cleanup_errors=True) as directory:
        demo = Demo(options, Path(directory), console)
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            await nursery.start(_obey_signals, demo, scope)
            try:
                with scope:
                    await _perform(demo)
            finally:
                await end_all(demo.stage.registries)
            nursery.cancel_scope.cancel()
    if demo.told and (demo.is_live or not options.keep):
        print_summary(console, demo.claims, demo.seconds)
    elif not demo.told:
        console.print("Interrupted: all processes are ended, and the temporary directory is gone.")
    return demo.exit_code


async def _obey_signals(
    demo: Demo, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """A signal ends the story. Further ones change nothing: ending the processes takes two seconds at most."""
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        task_status.started()
        async for number in signals:
            demo.signal = number
            scope.cancel()


async def _perform(demo: Demo) -> None:
    """The story, with all that goes on beside it."""
    async with trio.open_nursery() as beside:
        if demo.is_live:
            beside.start_soon(display.show, demo.console, demo.stage.scene, demo.stage.clock, demo.stage.refresh)
        demo.claims = await play(demo.stage, script(beside, keep=demo.options.keep), demo.step_seconds)
        demo.seconds = demo.stage.clock()
        demo.told = True
        if demo.options.keep:
            await _stay(demo)
        beside.cancel_scope.cancel()


async def _stay(demo: Demo) -> None:
    """Until a signal comes. On the display the summary comes afterwards, or it would be overwritten."""
    url = demo.stage.url(0)
    hint = f"The network stays up until Ctrl-C. Look at it from another terminal: p2preg list --watch --rpc {url}"
    demo.stage.scene.footer = hint
    if not demo.is_live:
        print_summary(demo.console, demo.claims, demo.seconds)
        demo.console.print(hint, soft_wrap=True)
    await trio.sleep_forever()
