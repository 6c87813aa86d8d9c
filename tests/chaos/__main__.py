"""`python -m tests.chaos --kills 400 --seed 1`: a league under kills and freezes, and whether anything was lost.

SIGTERM ends it before its time: what was done until then is checked.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.chaos.driver import Story, run
from tests.chaos.faults import Action
from tests.chaos.processes import Kind
from tests.chaos.target import COMEBACK


def main() -> int:
    """Run once; gives 0 where every invariant held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills and freezes (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of what is done to whom, and when (default: 0)")
    parser.add_argument("--pace", type=float, default=1.0, help="mean seconds between two (default: 1)")
    parser.add_argument("--learners", type=int, default=1, help="learner processes (default: 1)")
    parser.add_argument("--evaluators", type=int, default=2, help="evaluator processes (default: 2)")
    parser.add_argument(
        "--patience",
        type=float,
        default=COMEBACK,
        help="seconds in which everybody must be back (default: %(default)s)",
    )
    parser.add_argument("--cold", action="store_true", help="start every process anew, not forked from a warm one")
    parser.add_argument("--only", type=_kinds, default=tuple(Kind), help="to these kinds, such as redis,learner")
    parser.add_argument(
        "--keep", type=Path, help="an empty folder for everything that is left (default: a temporary one)"
    )
    parser.add_argument("--quiet", action="store_true", help="say only what came of it")
    given = parser.parse_args()
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())

    def say(line: str) -> None:
        if not given.quiet:
            print(f"  {line}", flush=True)

    def at(root: Path) -> Story:
        return run(
            root,
            given.seed,
            given.kills,
            given.pace,
            learners=given.learners,
            evaluators=given.evaluators,
            warm=not given.cold,
            patience=given.patience,
            only=given.only,
            enough=enough.is_set,
            say=say,
        )

    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        story = at(given.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            story = at(Path(folder))
    for line in lines(story, given.seed):
        print(line)
    return 1 if any(story.violations.values()) else 0


def _kinds(text: str) -> tuple[Kind, ...]:
    return tuple(Kind(name) for name in text.split(","))


def lines(story: Story, seed: int) -> list[str]:
    """What came of it: by kind of process, by invariant, and in one line."""
    told = [f"{'':12}{'kills':>8}{'freezes':>9}{'restarts':>10}"]
    for kind in Kind:
        kills, freezes, restarts = (story.done[kind, action] for action in Action)
        told.append(f"{kind:12}{kills:>8}{freezes:>9}{restarts:>10}")
    told.append(", ".join(f"{value:,} {name}" for name, value in story.figures.items()))
    for name, found in story.violations.items():
        told.append(f"{'RED' if found else 'ok':4} {name}" + (f": {len(found)}, such as {found[0]}" if found else ""))
    red = sum(len(found) for found in story.violations.values())
    slowest = max(story.comebacks, default=0.0)
    told.append(
        f"seed {seed}: {story.faults} kills and freezes, {story.seconds:.0f} s, back in {slowest:.1f} s at the most, "
        f"{red} violations of {len(story.violations)} invariants"
    )
    return told


if __name__ == "__main__":
    sys.exit(main())
