"""`league gc` takes what nothing refers to, says so first, and takes nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.bots.store import BotStore
from league.cli import main
from league.compaction import compact
from league.gc import GRACE, collect, remove
from league.replays import ReplayStore
from matchmaking.bot_records import BotRecord
from matchmaking.records import Kind, Player
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.houses import FIRST
from tests.league.learners import League, after, rules, stop_after
from tests.league.test_backup import play

OLD = 10 * GRACE


@pytest.fixture
def league(tmp_path: Path) -> Iterator[League]:
    """A run with frozen players, a saved state, a bot, replays, and parts of logs in files; all of it is old."""
    made = League(tmp_path / "runs", {"roles": rules(main_agent=after(2))})
    learner = made.learner()
    stop_after(learner, 5)
    learner.run()
    source = tmp_path / "first.py"
    source.write_text(FIRST)
    stored = BotStore(made.run.bots).add(source)
    player = Player(id="p_bot", name="first", kind=Kind.BOT, version=stored.version)
    record = BotRecord(player=player.id, lineage="first", author="a", language="python", entry="x", size=stored.size)
    assert made.store.bots.enter(player, record, supersedes=None, entered=0)
    store = Store.open(made.server.url, made.run.name, files=made.run.logs)
    play(store, 12)
    compact(store, keep=1, segment=5)
    store.close()
    replays = ReplayStore(made.run.replays)
    for number in range(3):
        replays.draft(f"m_{number}", "w", [])
        replays.keep(f"m_{number}", "w")
    replays.draft("m_3", "w", [])  # its result is in the log; the process was killed before it put the file in place
    age(made.run.path)
    yield made
    made.close()


def age(folder: Path) -> None:
    for path in folder.rglob("*"):
        if "redis" not in path.parts[-2:]:
            os.utime(path, (time.time() - OLD,) * 2)


def found(league: League) -> list[tuple[str, str]]:
    store = Store.open(league.server.url, league.run.name, files=league.run.logs)
    names = [
        (each.what, str(each.path.relative_to(league.run.path))) for each in collect(league.run, Matchmaker(store))
    ]
    store.close()
    return names


def litter(league: League) -> list[tuple[str, str]]:
    """Leave behind what killed processes do, and what nothing refers to any more."""
    run, sha = league.run, "a" * 64
    (run.bots / sha).mkdir()
    made = [
        ("bot", f"bots/{sha}"),
        ("checkpoint", f"checkpoints/{sha}.safetensors"),
        ("draft", f"checkpoints/.{sha}.safetensors.0a1b2c3d.tmp"),
        ("draft", "exports/.leaderboard.csv.4711"),
        ("draft", "replays/.m_0.w.draft"),
        ("draft", "replays/.never.w.draft"),
        ("live weights", "checkpoints/live/p_gone.safetensors"),
        ("part of a log", f"logs/matches/000000000000-{sha[:16]}.jsonl.gz"),
        ("replay", "replays/never.jsonl.gz"),
        ("state", f"checkpoints/learner-0-{sha}.safetensors"),
    ]
    for what, path in made:
        (run.path / path / "bot.py" if what == "bot" else run.path / path).write_bytes(bytes(8) + b"12345")
    age(run.path)
    return made


def test_nothing_of_a_sound_run_is_garbage(league: League) -> None:
    assert len(list(league.run.checkpoints.glob("?" * 64 + ".safetensors"))) >= 3
    assert found(league) == []


def test_what_nothing_refers_to_is_found_and_removed_and_nothing_else(league: League) -> None:
    before = {path for path in league.run.path.rglob("*") if path.is_file()}
    made = litter(league)
    assert found(league) == made
    place = [league.run.name, "--runs-dir", str(league.run.path.parent)]
    shown = CliRunner().invoke(main, ["gc", *place])
    assert shown.exit_code == 0
    assert "nothing was removed" in shown.output and "13 B  " in shown.output and "replay: 1, 13 B" in shown.output
    assert found(league) == made, "it says first what it would remove"
    rows = json.loads(CliRunner().invoke(main, ["gc", "--json", *place]).output)["garbage"]
    assert [(row["what"], row["path"]) for row in rows] == made
    done = CliRunner().invoke(main, ["gc", "--yes", *place])
    assert "removed 10 of them, 130 B" in done.output
    assert {path for path in league.run.path.rglob("*") if path.is_file()} == before
    assert "there is nothing" in CliRunner().invoke(main, ["gc", "--yes", *place]).output


def test_what_is_young_is_left_alone(league: League) -> None:
    """A learner writes a checkpoint before it registers the player: it must not vanish in between."""
    litter(league)
    for path in league.run.path.rglob("*"):
        os.utime(path)
    assert found(league) == []


def test_what_a_state_or_a_tournament_names_is_left_alone(league: League) -> None:
    shas = ["b" * 64, "c" * 64]
    for sha in shas:
        (league.run.checkpoints / f"{sha}.safetensors").write_bytes(b"x")
    header = json.dumps({"__metadata__": {"header": json.dumps({"pending": shas[0]})}}).encode()
    state = league.run.checkpoints / "learner-1-{}.safetensors".format("d" * 64)
    state.write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
    (league.run.checkpoints / "learner-1.json").write_text(json.dumps({"schema": 1, "kept": ["d" * 64]}))
    folder = league.run.path / "tournaments" / "cup"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"entrants": [f"checkpoints/{shas[1]}.safetensors"]}))
    age(league.run.path)
    assert found(league) == []
    (folder / "plan.json").unlink()
    assert found(league) == [("checkpoint", f"checkpoints/{shas[1]}.safetensors")]


def test_what_is_referred_to_meanwhile_stays(league: League) -> None:
    """Between the list that a person reads and the removal, a league goes on."""
    sha = "e" * 64
    path = league.run.checkpoints / f"{sha}.safetensors"
    path.write_bytes(b"x")
    age(league.run.path)
    store = Store.open(league.server.url, league.run.name, files=league.run.logs)
    matchmaker = Matchmaker(store)
    chosen = collect(league.run, matchmaker)
    assert [each.path for each in chosen if each.what == "checkpoint"] == [path]
    league.store.register(Player(id="p_new", name="new", kind=Kind.FROZEN, checkpoint=sha))
    assert remove(league.run, matchmaker, chosen) == []
    assert path.exists()
    store.close()


def test_replays_have_a_budget(tmp_path: Path) -> None:
    replays = ReplayStore(tmp_path, budget=5 * 20)
    sizes = []
    for number in range(60):
        replays.draft(f"m_{number}", "w", [])
        replays.keep(f"m_{number}", "w")
        path = tmp_path / f"m_{number}.jsonl.gz"
        os.utime(path, (1000 + number,) * 2)
        sizes.append(path.stat().st_size)
    assert set(sizes) == {20}, "an empty gzip file"
    assert len(replays.stored()) == 14, "what was stored since the last look comes on top"
    replays.prune()
    assert replays.stored() == {f"m_{number}" for number in range(55, 60)}, "the oldest went"
    unbounded = ReplayStore(tmp_path)
    unbounded.prune()
    assert len(unbounded.stored()) == 5
