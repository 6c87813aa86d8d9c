"""`python -m tests.fuzz --inputs 100000 --seed 1`: changed inputs through every door, and what came of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from tests.fuzz.doors import DOORS
from tests.fuzz.driver import Result, run


def main() -> int:
    """Run once; gives 0 where every input was answered, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="over all doors (default: 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs (default: 1)")
    parser.add_argument("--door", action="append", choices=list(DOORS), help="only this one; may be given again")
    parser.add_argument("--first", type=int, default=0, help="number of each door's first input (default: 0)")
    parser.add_argument("--traces", action="store_true", help="with a traceback for each kind of failure")
    given = parser.parse_args()
    doors = given.door or list(DOORS)
    each = -(-given.inputs // len(doors))
    started = time.monotonic()
    print(f"{'door':26} {'inputs':>8} {'taken':>8} {'failed':>8}", flush=True)

    def tell(result: Result) -> None:
        print(f"{result.door:26} {result.inputs:8,} {result.taken:8,} {result.failed:8,}", flush=True)
        kinds = Counter((failure.where, failure.problem.split(":")[0]) for failure in result.failures)
        for (where, kind), count in kinds.most_common():
            first = next(one for one in result.failures if (one.where, one.problem.split(":")[0]) == (where, kind))
            print(f"    {count} x {where} [input {first.number}]: {first.problem[:500]}", flush=True)
            if given.traces:
                print(first.trace, flush=True)

    results = run(dict.fromkeys(doors, each), given.seed, first=given.first, tell=tell)
    inputs, failed = sum(one.inputs for one in results), sum(one.failed for one in results)
    seconds, cpu = time.monotonic() - started, sum(os.times()[2:4])  # of the processes that tried them
    print(f"{inputs:,} inputs, seed {given.seed}: {failed:,} failed; {seconds:,.0f} s, of which {cpu:,.0f} s CPU")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
