"""A long run under observation: `python -m tests.soak --minutes 60 --folder soak/`.

It starts a league as a person does, with a submitted bot, and writes down every ten seconds what each of its processes
takes (memory, descriptors), what Redis and the run folder hold, and how fast it goes: `soak.csv`, `soak.png`, and
`summary.md`, which compares the first half hour with the last and gives each curve's slope.
"""

from __future__ import annotations

import argparse
import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from league.access import opened
from league.runs import RunFolder
from league.snapshot import SnapshotReader
from matchmaking.errors import MatchmakingError
from matchmaking.logs import LOGS
from matchmaking.server import EmbeddedServer, connect
from matchmaking.service import Matchmaker

ROOT = Path(__file__).resolve().parents[1]
NAME = "soak"
EVERY = 10.0  # seconds between two rows
ENOUGH = 6  # rows; fewer make no curve
WARM_UP = 300.0  # seconds that no slope looks at: allocators and caches fill
PARTS = ("redis", "checkpoints", "bots", "replays", "logs", "metrics")
BOT = """
def act(observation, action_mask, clock):
    return int(action_mask.argmax())
"""
PANELS = {
    "memory of a process (MiB)": "rss_",
    "descriptors of a process": "fds_",
    "Redis (MiB)": "redis_",
    "run folder (MiB)": "disk_",
    "entries of logs in Redis": "log_",
    "a second": "rate_",
}
MIB = 1024**2

Row = dict[str, float]


@contextmanager
def league(root: Path, arena: str, minutes: float, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A league in a process of its own; it is stopped in order when the block is left."""
    command = [sys.executable, "-m", "league", "start", arena, "--name", NAME, "--runs-dir", str(root)]
    command += ["--for", f"{minutes + 2}m", "--device", "cpu", *arguments]
    with (root / "league.out").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(180)


def submit(root: Path) -> bool:
    """Enter a bot, so that evaluators start processes of strangers all the time; False where it was too slow."""
    bot = root / "first.py"
    bot.write_text(BOT, encoding="utf-8")
    command = [sys.executable, "-m", "league", "submit", str(bot), "--name", "first", "--runs-dir", str(root)]
    done = subprocess.run([*command, "--run", NAME], cwd=ROOT, check=False, capture_output=True, text=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    return done.returncode == 0


def observe(run: RunFolder, reader: SnapshotReader, matchmaker: Matchmaker, supervisor: int) -> Row:
    """One row: everything that is asked of the league at this moment."""
    snapshot = reader.read()
    row: Row = {"players": snapshot.population, "rate_samples": snapshot.samples_per_second}
    row["rate_rated_games"] = snapshot.rated_games_per_second or 0.0
    row["rate_episodes"] = sum(learner.games_per_second or 0.0 for learner in snapshot.learners)
    pids = {"supervisor": supervisor} | {beat.process: beat.pid for beat in snapshot.processes}
    server = EmbeddedServer(run.redis)
    with connect(server.url) as client:
        info = client.info()
    row |= {"redis_used": info["used_memory"] / MIB, "redis_appendonly": info["aof_current_size"] / MIB}
    for name, pid in (pids | {"redis": int(info["process_id"])}).items():
        row |= of_process(name, pid)
    children = [of_process("bots", pid) for pid in descendants(pids.get("evaluator-0", 0))]
    row["rss_bots"] = sum(child.get("rss_bots", 0.0) for child in children)
    row["count_bots"] = len(children)
    for part in PARTS:
        row[f"disk_{part}"] = size(run.path / part) / MIB
    for name in LOGS:
        row[f"log_{name}"] = matchmaker.store.logs[name].in_redis()
        row[f"whole_{name}"] = matchmaker.store.logs[name].length()
    return row


def of_process(name: str, pid: int) -> Row:
    """Memory and descriptors of a process; nothing where it is gone."""
    place = Path(f"/proc/{pid}")
    try:
        pages = int((place / "statm").read_text().split()[1])
        descriptors = len(list((place / "fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {f"rss_{name}": pages * 4096 / MIB, f"fds_{name}": descriptors}


def descendants(pid: int) -> list[int]:
    """All processes below a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except FileNotFoundError:  # replaced meanwhile
            continue
    return total


def summary(rows: Sequence[Mapping[str, float]]) -> str:
    """Start, end and slope of every curve as a table; slopes leave the warm-up out."""
    times = np.array([row["time"] for row in rows])
    names = sorted({name for row in rows for name in row} - {"time"})
    lines = ["| curve | after warm-up | end | most | change an hour |", "| --- | ---: | ---: | ---: | ---: |"]
    late = times >= min(WARM_UP, times[-1] / 2)
    for name in names:
        values = np.array([row.get(name, np.nan) for row in rows])
        there = late & np.isfinite(values)
        if there.sum() < 3:
            continue
        slope = np.polyfit(times[there], values[there], 1)[0] * 3600
        tenth = max(1, int(there.sum()) // 10)
        first, last = values[there][:tenth].mean(), values[there][-tenth:].mean()
        lines.append(f"| `{name}` | {first:,.1f} | {last:,.1f} | {values[there].max():,.1f} | {slope:+,.1f} |")
    return "\n".join(lines) + "\n"


def draw(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """The curves, a panel a kind."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(PANELS), 1, figsize=(9, 2.6 * len(PANELS)), sharex=True)
    minutes = [row["time"] / 60 for row in rows]
    for axis, (title, prefix) in zip(axes, PANELS.items(), strict=True):
        names = sorted({name for row in rows for name in row if name.startswith(prefix)})
        for name in names:
            axis.plot(minutes, [row.get(name, float("nan")) for row in rows], label=name.removeprefix(prefix), lw=1)
        axis.set_title(title, loc="left", fontsize=9)
        axis.set_ylim(bottom=0)
        if prefix in ("rate_", "disk_"):
            axis.set_yscale("symlog")
        if names:
            axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def write(rows: Sequence[Mapping[str, float]], folder: Path) -> None:
    """All three files, as far as the run has come."""
    names = ["time", *sorted({name for row in rows for name in row} - {"time"})]
    with (folder / "soak.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows({name: round(value, 3) for name, value in row.items()} for row in rows)
    if len(rows) > ENOUGH:
        (folder / "summary.md").write_text(summary(rows), encoding="utf-8")
        draw(rows, folder / "soak.png")


def main(words: Sequence[str] | None = None) -> int:
    """Run the league and watch it; exit code 1 where it ended before its time."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--arena", default="tic_tac_toe")
    parser.add_argument("--folder", type=Path, required=True, help="where the run and the curves go")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two rows")
    parser.add_argument("--rewrite-from", type=int, default=64, help="MiB of the append-only file that are rewritten")
    given, more = parser.parse_known_args(words)
    root: Path = given.folder.absolute()
    root.mkdir(parents=True, exist_ok=True)
    run = RunFolder(root / NAME)
    rows: list[Row] = []
    with league(root, given.arena, given.minutes, more) as process:
        while not EmbeddedServer(run.redis).running():
            if process.poll() is not None:
                print((root / "league.out").read_text(errors="replace"), file=sys.stderr)
                return 1
            time.sleep(1.0)
        with connect(EmbeddedServer(run.redis).url) as client:
            client.config_set("auto-aof-rewrite-min-size", given.rewrite_from * MIB)
        entered = False
        with opened(run) as matchmaker:
            reader = SnapshotReader(matchmaker)
            started = time.monotonic()
            while (now := time.monotonic() - started) < 60 * given.minutes and process.poll() is None:
                try:
                    rows.append({"time": now} | observe(run, reader, matchmaker, process.pid))
                except MatchmakingError as error:  # a gap in the curves says so as well
                    print(error, file=sys.stderr)
                if len(rows) % 6 == 0:
                    write(rows, root)
                if len(rows) % 30 == 6 and not entered:
                    entered = submit(root)
                time.sleep(max(0.0, given.every - (time.monotonic() - started - now)))
    write(rows, root)
    print((root / "summary.md").read_text(encoding="utf-8") if len(rows) > ENOUGH else "too short for curves")
    return 0 if rows and rows[-1]["time"] >= 60 * given.minutes - 2 * given.every else 1


if __name__ == "__main__":
    sys.exit(main())
