"""The live view: what is read, and what a person sees of it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from league.snapshot import LearnerRow, RatedRow, Snapshot, SnapshotReader
from league.text import amount, duration, percent
from league.watch import LineReporter, LiveReporter, make_reporter, render, summary
from matchmaking.records import Kind, LearnerStatus, Player, Rating, Role, new_id
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.league.conftest import VERSIONS, fill

ROLES = (Role.MAIN_AGENT, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER)


def make_snapshot(players: int = 3) -> Snapshot:
    learners = tuple(
        LearnerRow(
            id=f"p{number}",
            name=f"{ROLES[number % 3]}-{number}",
            role=ROLES[number % 3],
            steps=12_345_678,
            frozen=12,
            pool_win_rate=0.673,
            mu=31.24,
            sigma=1.13,
            elo=1422.4,
            samples_per_second=12_345.6,
            games_per_second=1234.5,
        )
        for number in range(players)
    )
    board = tuple(
        RatedRow(
            id=str(n), name=f"player-{n}", kind=Kind.FROZEN, role=None, mu=30, sigma=1, elo=1400, games=9, score=0.5
        )
        for n in range(10)
    )
    return Snapshot(
        run="r", arena="connect_four", elapsed=252, time_left=48, learners=learners, board=board, rated_games=43_210
    )


def text_of(snapshot: Snapshot, width: int, height: int | None = None, events: tuple[str, ...] = ()) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=False)
    out.print(render(snapshot, width, height=height, events=events))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_cut_at_usual_widths(width: int) -> None:
    lines = text_of(make_snapshot(), width)
    text = "\n".join(lines)
    assert max(len(line.rstrip()) for line in lines) <= width
    for word in ("league_exploiter-2", "12.3M", "67.3%", "31.2 ±1.1", "1422", "12.3k", "1234", "48s left", "43.2k"):
        assert word in text
    assert "…" not in text
    assert ("main_exploiter " in text) == (width >= 100)  # the role in words where there is room


@pytest.mark.parametrize("height", [24, 30])
def test_the_picture_fits_the_terminal(height: int) -> None:
    lines = text_of(make_snapshot(), 80, height, ("event",) * 5)
    assert len(lines) < height


def test_an_arena_without_learners_is_its_board() -> None:
    snapshot = make_snapshot(0).model_copy(update={"population": 14, "bots": 12, "suspended": 1})
    lines = text_of(snapshot, 100)
    text = "\n".join(lines)
    assert "samples/s" not in text
    assert "vs pool" not in text, "no table of nobody"
    assert "14 players in the pool, 12 bots (1 suspended), 43.2k rated games" in text
    assert "player-9" in text, "there is room for more of the board"
    assert summary(snapshot) == (
        "4m12s (48s left) | 14 players, 12 bots (1 suspended), 43.2k rated games | best player-0, elo 1400"
    )
    assert ", 1 bot," in summary(snapshot.model_copy(update={"bots": 1, "suspended": 0}))
    assert "league submit BOT" in "\n".join(text_of(snapshot.model_copy(update={"board": ()}), 100))


def test_plain_lines_come_every_ten_seconds_and_events_at_once() -> None:
    out = Console(file=io.StringIO(), width=40)
    now = [0.0]
    reporter = LineReporter(out, clock=lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        reporter.update(make_snapshot())
        if second == 5:
            reporter.line("main_agent-1.v3 joins the [pool]")
    reporter.close()
    reporter.close()
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    assert [line for line in lines if "joins" in line] == ["main_agent-1.v3 joins the [pool]"]
    assert sum(line == summary(make_snapshot()) for line in lines) == 4  # at 0, 10, 20 s and at the end
    assert len(lines) == 5


def test_a_terminal_gets_the_table_and_a_pipe_gets_lines() -> None:
    assert isinstance(make_reporter(Console(file=io.StringIO())), LineReporter)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, height=30, _environ={"TERM": "xterm"})
    reporter = make_reporter(terminal)
    assert isinstance(reporter, LiveReporter)
    reporter.line("redis started")
    reporter.update(make_snapshot())
    reporter.close()
    assert isinstance(terminal.file, io.StringIO)
    assert "redis started" in terminal.file.getvalue()
    assert "league_exploiter-2" in terminal.file.getvalue()


def test_a_snapshot_of_a_run(matchmaker: Matchmaker) -> None:
    snapshot = SnapshotReader(matchmaker).read(elapsed=10, time_left=5)
    main = snapshot.learners[0]
    assert (main.name, main.steps, main.frozen, main.pool_win_rate) == ("main_agent-1", 3_200_000, VERSIONS, 0.71)
    newest = matchmaker.ratings()[matchmaker.find("main_agent-1.v2").id]
    assert (main.mu, main.sigma, main.elo) == (newest.mu, newest.sigma, newest.elo)
    assert main.games_per_second is None
    assert snapshot.samples_per_second == 40_000
    assert snapshot.rated_games == sum(len(result.outcomes) for result in matchmaker.matches())
    lower = [row.mu - 3 * row.sigma for row in snapshot.board]
    assert lower == sorted(lower, reverse=True)
    assert snapshot.population == len(matchmaker.players()) - 2
    assert SnapshotReader(matchmaker).read(state="stopped").samples_per_second == 0
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


def test_who_was_registered_and_rated_while_a_run_is_read_is_in_the_next_snapshot(
    matchmaker: Matchmaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = matchmaker.ratings() | {"p_newcomer": Rating(mu=90.0)}
    monkeypatch.setattr(matchmaker, "ratings", lambda: ratings)
    assert "p_newcomer" not in {row.id for row in SnapshotReader(matchmaker).read().board}


def test_rates_are_what_happened_between_two_readings(matchmaker: Matchmaker) -> None:
    store = Store.create(matchmaker.store.session.url, "rates", "connect_four")
    own = Matchmaker(store)
    fill(own)
    now = [100.0]
    reader = SnapshotReader(own, clock=lambda: now[0])
    reader.read()
    status = next(iter(store.processes.statuses().values()))
    own.store.processes.set_status(
        LearnerStatus.model_validate(status.model_dump() | {"episodes": status.episodes + 500})
    )
    now[0] = 105.0
    rows = {row.id: row.games_per_second for row in reader.read().learners}
    assert rows.pop(status.player) == 100.0
    assert list(rows.values()) == [0.0]
    for second in range(106, 116):  # nothing more happens: the burst leaves the window after ten seconds
        now[0] = float(second)
        last = {row.id: row.games_per_second for row in reader.read().learners}[status.player]
        assert last == (500 / (second - 100) if second <= 114 else 0.0)
    store.close()


def test_the_first_episodes_of_a_run_are_a_rate_already(matchmaker: Matchmaker) -> None:
    store = Store.create(matchmaker.store.session.url, "first-episodes", "connect_four")
    own, now = Matchmaker(store), [100.0]
    learner = own.register(Player(id=new_id("p"), name="main_agent-1", kind=Kind.LEARNER, role=Role.MAIN_AGENT))
    reader = SnapshotReader(own, clock=lambda: now[0])
    assert reader.read().learners[0].games_per_second is None
    status = LearnerStatus(
        player=learner.id, steps=1, generation=0, pool_win_rate=0.5, samples_per_second=1.0, episodes=300
    )
    own.store.processes.set_status(status)
    now[0] = 103.0
    assert reader.read().learners[0].games_per_second == 100.0
    stopped = reader.read(state="stopped")
    assert stopped.learners[0].games_per_second is None
    assert stopped.rated_games_per_second is None
    store.close()


def test_words_for_numbers() -> None:
    assert [amount(value) for value in (None, 0, 9_999, 12_345, 4_561_000, 1.2e9)] == [
        "–", "0", "9999", "12.3k", "4.56M", "1.20G",
    ]  # fmt: skip
    assert [duration(value) for value in (None, 5, 252, 11_100, 187_200)] == ["–", "5s", "4m12s", "3h05m", "2d04h"]
    assert percent(0.6125) == "61.3%" or percent(0.6125) == "61.2%"
    assert re.fullmatch(r".*4m12s \(48s left\).*", summary(make_snapshot()))
