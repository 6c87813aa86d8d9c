"""`python -m tests.chaos.mutations`: one safeguard after another is taken out, and the chaos suite has to turn red.

Each mutation is applied to a copy of the tree in a temporary folder; nothing here is changed. First a copy without any
has to stay green.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.league.supervised import ROOT

PACKAGES = ("league", "agents", "arenas", "matchmaking", "tests")


@dataclass(frozen=True)
class Edit:
    """Text of a file that is replaced; it stands there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A safeguard that is taken out.

    Attributes:
        what: in words.
        edits: that take it out.
        only: the kinds of processes that things are done to: those whose faults the safeguard is for.
        kills: how many faults show it.
        red: the invariants of which at least one has to turn red.
    """

    what: str
    edits: tuple[Edit, ...]
    only: str
    kills: int
    red: tuple[str, ...]


REPORT = "matchmaking/scripts/report_match.lua"
LEASE = "matchmaking/scripts/lease.lua"
COMMIT = "matchmaking/scripts/commit_ratings.lua"
STATES = "agents/state_store.py"
MUTATIONS = {
    "deduplication": Mutation(
        "reports of matches and of episodes are taken as often as they come",
        (
            Edit(REPORT, "  return written == ARGV[2] and 'recorded' or 'duplicate'\n", "  written = nil\n"),
            Edit(REPORT, "  return 'refused'\n", "  token = nil\n"),
            Edit(
                "matchmaking/scripts/report_episodes.lua",
                "local seen = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)\n",
                "local seen = 0\n",
            ),
        ),
        only="redis,evaluator,learner",
        kills=16,
        red=("every match counts once", "every report counts once"),
    ),
    "requeue": Mutation(
        "an expired lease is forgotten",
        (Edit(LEASE, "  redis.call(times <= 2 and 'LPUSH' or 'RPUSH', KEYS[2], expired[i])\n", ""),),
        only="evaluator",
        kills=8,
        red=("every match ends once",),
    ),
    "retry id": Mutation(
        "a repeated call for a lease is a new one",
        (Edit(LEASE, "if request == ARGV[2] then\n", "if false then\n"),),
        only="redis",
        kills=60,  # of which few fall between a lease and its reply
        red=("one lease a call",),
    ),
    "position apart": Mutation(
        "the position in the log is saved a moment after the ratings",
        (
            Edit(COMMIT, "if tonumber(position or 0) ~= tonumber(ARGV[2]) then\n  return 0\nend\n", ""),
            Edit(COMMIT, "'commit', ARGV[1], 'position', ARGV[3])", "'commit', ARGV[1])"),
            Edit(
                "matchmaking/rating_store.py",
                '        return bool(\n            self._session.call(\n                "commit_ratings",\n',
                "        return self._apart(\n            position,\n            self._session.call(\n"
                '                "commit_ratings",\n',
            ),
            Edit(
                "matchmaking/rating_store.py",
                "    def replace(\n",
                "    def _apart(self, position: int, done: int) -> bool:\n"
                "        import time\n\n"
                "        time.sleep(0.05)\n"
                "        self._session.call('set_field', ['fold'], 'position', position, 0)\n"
                "        return bool(done)\n\n"
                "    def replace(\n",
            ),
        ),
        only="rater",
        kills=20,
        red=("every match counts once", "replay is bit-equal"),
    ),
    "pointer first": Mutation(
        "the pointer to a state is written before the state",
        (
            Edit(STATES, "        write_durably(self.path(sha), data)\n", ""),
            Edit(
                STATES,
                "        write_durably(self.pointer, _Pointer(kept=kept).model_dump_json().encode())\n",
                "        write_durably(self.pointer, _Pointer(kept=kept).model_dump_json().encode())\n"
                "        write_durably(self.path(sha), data)\n",
            ),
        ),
        only="learner",
        kills=16,
        red=("checkpoints are whole", "it came back by itself"),
    ),
}


def copy_of_the_tree(folder: Path, edits: Sequence[Edit]) -> None:
    """Put the packages into `folder`, with the safeguard taken out.

    Raises:
        ValueError: the text that an edit replaces does not stand there once: the mutation has to be written anew.
    """
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        path = folder / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.file} holds {text.count(edit.old)} times, not once: {edit.old!r}")
        path.write_text(text.replace(edit.old, edit.new))


def outcome(mutation: Mutation | None, only: str, kills: int, seed: int, *more: str) -> tuple[int, list[str]]:
    """Exit code of the chaos suite on a copy with the mutation, and its lines that are red, or else its last one."""
    words = ["--quiet", "--kills", str(kills), "--seed", str(seed), "--only", only, *more]
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_of_the_tree(folder, mutation.edits if mutation is not None else ())
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in lines if line.startswith("RED")] or lines[-1:]


def turns_red(mutation: Mutation, lines: list[str]) -> bool:
    """Whether one of the invariants that the mutation breaks is among the red lines."""
    return any(line.removeprefix("RED").strip().startswith(name) for line in lines for name in mutation.red)


def main() -> int:
    """Run them; gives 0 where all turned red and the copy without a mutation did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MUTATIONS)} (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of what is done (default: 1)")
    parser.add_argument("--patience", default="150", help="seconds in which everybody must be back (default: 150)")
    parser.add_argument("--without-control", action="store_true", help="leave out the copy without a mutation")
    given = parser.parse_args()
    if unknown := set(given.names) - MUTATIONS.keys():
        parser.error(f"no mutation {', '.join(sorted(unknown))}; there are {', '.join(MUTATIONS)}")
    failed = False
    if not given.without_control:
        code, lines = outcome(None, "redis,evaluator,learner,rater", 12, given.seed, "--patience", given.patience)
        failed = code != 0
        print(f"no mutation: {'RED' if code else 'green, as it should be'}", *lines, sep="\n  ", flush=True)
    for name in given.names or MUTATIONS:
        mutation = MUTATIONS[name]
        _, lines = outcome(mutation, mutation.only, mutation.kills, given.seed, "--patience", given.patience)
        caught = turns_red(mutation, lines)
        failed |= not caught
        print(f"{name} ({mutation.what}): {'red' if caught else 'SURVIVED'}", *lines, sep="\n  ", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
