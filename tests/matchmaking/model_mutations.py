"""`python -m tests.matchmaking.model_mutations`: one rule of the store after another is broken.

The state machine, in the size in which CI runs it, has to find each. Each is applied to a copy of the tree in a
temporary folder; nothing here is changed. A copy that is not changed has to agree with the model.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.mutations import Edit, copy_of_the_tree
from tests.matchmaking.league_machine import IN_CI, explore
from tests.servers import server_in_memory

SCRIPTS = "matchmaking/scripts"
REPORT, LEASE, ABORT = (f"{SCRIPTS}/{name}.lua" for name in ("report_match", "lease", "abort"))
EXTEND, STREAM, COMMIT = (f"{SCRIPTS}/{name}.lua" for name in ("extend", "report_episodes", "commit_ratings"))
ENQUEUE, REGISTER = (f"{SCRIPTS}/{name}.lua" for name in ("enqueue", "register"))
SERVICE = "matchmaking/service.py"

MUTATIONS = {
    "streams": Edit(STREAM, "local seen = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)\n", "local seen = 0\n"),
    "games of none": Edit(STREAM, "if a ~= b and games > 0 then", "if a ~= b then"),
    "requeue": Edit(LEASE, "  redis.call(times <= 2 and 'LPUSH' or 'RPUSH', KEYS[2], expired[i])\n", ""),
    "behind the others": Edit(LEASE, "times <= 2 and 'LPUSH' or 'RPUSH'", "'RPUSH'"),
    "late report": Edit(REPORT, "if token ~= ARGV[2] then\n", "if false then\n"),
    "report twice": Edit(REPORT, "if written then\n", "if false then\n"),
    "late report stays queued": Edit(REPORT, "  redis.call('LREM', KEYS[1], 1, ARGV[1])\n", ""),
    "stranger's heartbeat": Edit(EXTEND, "if token ~= ARGV[2] then\n", "if false then\n"),
    "heartbeat stays queued": Edit(
        EXTEND, "  if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then\n", "  if false then\n"
    ),
    "survived expiry counts": Edit(EXTEND, "    redis.call('HINCRBY', KEYS[4], ARGV[1], -1)", "    do end"),
    "abort queues twice": Edit(ABORT, "elseif not waiting then\n", "else\n"),
    "stranger's abort": Edit(ABORT, "if token ~= ARGV[2] then\n", "if false then\n"),
    "queued again": Edit(ENQUEUE, "redis.call('HEXISTS', KEYS[3], id) == 0 and ", ""),
    "dropped again": Edit(ENQUEUE, " and redis.call('HEXISTS', KEYS[4], id) == 0\n", "\n"),
    "registered twice": Edit(REGISTER, "if index then\n", "if false then\n"),
    "name twice": Edit(REGISTER, "if owner then\n", "if false then\n"),
    "two raters": Edit(COMMIT, "if tonumber(position or 0) ~= tonumber(ARGV[2]) then\n", "if false then\n"),
    "ratings alone": Edit(COMMIT, "'commit', ARGV[1], 'position', ARGV[3])", "'commit', ARGV[1])"),
    "withdrawn": Edit(SERVICE, "        out = self._out() if lease is not None else ()\n", "        out = ()\n"),
    "worn out": Edit(SERVICE, "if lease.expiries >= MAX_EXPIRIES else", "if False else"),
    "lineage": Edit(
        "matchmaking/store.py",
        "player.id, player.name, player.model_dump_json()\n        )\n        if index < 0:",
        "player.id, player.name, player.model_copy(update={'parent': None}).model_dump_json()\n        )\n"
        "        if index < 0:",
    ),
}
"""What is broken, by name."""


def found(edit: Edit | None, start: int) -> bool:
    """Whether the state machine, from a fixed start, disagrees with a copy in which something is broken."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_of_the_tree(folder, [] if edit is None else [edit])
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, "--here", str(start)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    disagrees = "state = Machine()" in done.stderr  # the steps, as hypothesis writes them
    if disagrees == (done.returncode == 0):
        raise RuntimeError(done.stdout + done.stderr)
    return disagrees


def _here(start: int) -> None:
    """Explore this very tree."""
    with server_in_memory() as server:
        explore(server, *IN_CI, start=start)


def main() -> int:
    """Break one after another and say from how many starts it was found.

    Gives 0 where each was from one at least, and nothing where nothing is broken.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MUTATIONS)} (default: all)")
    parser.add_argument("--starts", type=int, default=3, help="fixed starts of hypothesis (default: 3)")
    parser.add_argument("--here", type=int, metavar="START", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here is not None:
        _here(given.here)
        return 0
    if unknown := set(given.names) - MUTATIONS.keys():
        parser.error(f"no mutation {', '.join(sorted(unknown))}; there are {', '.join(MUTATIONS)}")
    failed = False
    for name in given.names or ("", *MUTATIONS):
        times = sum(found(MUTATIONS.get(name), start) for start in range(given.starts))
        failed |= times == 0 if name else times > 0
        print(f"{name or 'no mutation'}: found from {times} of {given.starts} starts", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
