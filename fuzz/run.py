"""The driver: `python -m fuzz.run TARGET --seconds N` fuzzes with atheris, `--replay FILE` runs inputs without it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
INPUT_BYTES_MAX = 8_192  # longer inputs find little more and slow everything down
INPUT_SECONDS_MAX = 5  # an input that takes longer is a finding
MEMORY_MB_MAX = 2_048  # so is one that needs more


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=__doc__)
    parser.add_argument("target", nargs="?", help="a name of fuzz/targets.py; without it, all are listed")
    parser.add_argument("--seconds", type=int, default=60, help="how long to fuzz (default 60)")
    parser.add_argument(
        "--work", type=Path, help="where new interesting inputs go (default: under the temporary files)"
    )
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="run these inputs, or folders of them")
    return parser.parse_args()


def list_targets() -> None:
    from fuzz.targets import TARGETS, sentence

    for name in TARGETS:
        print(f"{name:12} {sentence(name)}")


def replay(target: str, paths: list[Path]) -> None:
    """Run the inputs; the first that breaks the invariant ends in its traceback."""
    from fuzz.targets import TARGETS

    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    for file in files:
        print(f"{file}: {file.stat().st_size} bytes")
        TARGETS[target](file.read_bytes())
    print(f"{len(files)} inputs, and the invariant holds")


def fuzz(target: str, seconds: int, work: Path) -> None:
    """Never returns: libFuzzer ends the process, with a code other than 0 when it found something."""
    import atheris

    with atheris.instrument_imports(include=["p2preg", "fuzz"]):
        from fuzz.targets import TARGETS
    crashes = FUZZ / "crashes" / target
    for folder in (work, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds,
        "max_len": INPUT_BYTES_MAX,
        "timeout": INPUT_SECONDS_MAX,
        "rss_limit_mb": MEMORY_MB_MAX,
        "artifact_prefix": f"{crashes}/",
        "print_final_stats": 1,
    }
    seeds = [folder for folder in (FUZZ / "corpus" / target, FUZZ / "regressions" / target) if folder.is_dir()]
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(work), *map(str, seeds)],
        TARGETS[target],
    )
    atheris.Fuzz()


def main() -> None:
    args = arguments()
    if args.target is None:
        list_targets()
    elif args.replay:
        replay(args.target, args.replay)
    else:
        fuzz(args.target, args.seconds, args.work or Path(tempfile.gettempdir()) / "p2preg-fuzz" / args.target)


if __name__ == "__main__":
    main()
