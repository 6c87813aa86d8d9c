"""Each invariant holds for a run to which nothing happened, and turns red where its own subject is spoilt."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.checkpoint import CheckpointStore, Manifest
from agents.state_store import StateStore
from league.closing import write_exports
from league.config import LeagueConfig
from league.runs import create
from matchmaking.fold import RatingFold
from matchmaking.records import EpisodeCount, Kind, LearnerStatus, Player, Role
from matchmaking.run_records import Dropped, Ticket
from matchmaking.server import EmbeddedServer
from matchmaking.service import Matchmaker
from matchmaking.store import Store
from tests.chaos.invariants import INVARIANTS, Evidence, check, collect
from tests.chaos.ledger import Grant, Report

SECONDS = 2.0
STEPS = 500
ROWS = [[[0, 1, 0, 3, 0, 1]], [[0, 1, 1, 2, 1, 0]]]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """What is left of a run of one learner, one frozen player and one scripted one."""
    run = create(tmp_path_factory.mktemp("runs"), LeagueConfig(arena="tic_tac_toe"), "run")
    server = EmbeddedServer(run.redis)
    server.start()
    store = Store.create(server.url, "run", "tic_tac_toe")
    manifest = Manifest(arena="tic_tac_toe", observation_shape=(2, 3, 3), num_actions=9, network={})
    sha = CheckpointStore(run.checkpoints).save({"weights": torch.ones(3)}, manifest)
    store.register(Player(id="p_learner", name="main_agent-1", kind=Kind.LEARNER, role=Role.MAIN_AGENT))
    store.register(
        Player(
            id="p_frozen",
            name="main_agent-1.v0",
            kind=Kind.FROZEN,
            role=Role.MAIN_AGENT,
            parent="p_learner",
            checkpoint=sha,
            version="0",
        )
    )
    store.register(Player(id="p_random", name="random", kind=Kind.SCRIPTED))
    counts = [
        [EpisodeCount(player="p_learner", opponent="p_frozen", seat=seat, wins=wins, draws=draws, losses=losses)]
        for ((_, _, seat, wins, draws, losses),) in ROWS
    ]
    store.report_stream(counts, Ticket("stream", 1))
    state = StateStore(run.checkpoints, "learner-0").save({"weights": torch.ones(3)}, {})
    store.processes.set_status(
        LearnerStatus(
            player="p_learner", steps=STEPS, generation=1, pool_win_rate=0.5, samples_per_second=1.0, episodes=7
        )
    )
    matchmaker = Matchmaker(store, pairs=1)
    tokens = []
    for outcomes in ("wl", "dd", "ww"):
        lease = matchmaker.lease("evaluator-0", SECONDS)
        assert lease is not None
        tokens.append(lease.token)
        matchmaker.report_match(lease, outcomes)
    while RatingFold(store).step():
        pass
    write_exports(run, store)
    learner: list[dict[str, Any]] = [
        {"report": ["stream", 1], "rows": ROWS},
        {"reported": ["stream", 1], "count": 2},
        {"saved": {"p_learner": STEPS}, "sha": state},
        {"player": "p_learner", "steps": STEPS},
    ]
    evaluator: list[dict[str, Any]] = [
        entry for token in tokens for entry in ({"asks": "evaluator-0"}, {"token": token})
    ]
    yield collect(run, store, {"learner-0": [learner], "evaluator-0": [evaluator]}, SECONDS)
    store.close()
    server.stop()


@pytest.fixture
def evidence(pristine: Evidence) -> Evidence:
    """A copy whose ledger and journals may be spoilt; the run's folder is shared."""
    spoilt = copy.copy(pristine)
    spoilt.ledger, spoilt.journals = copy.deepcopy((pristine.ledger, pristine.journals))
    spoilt.processes, spoilt.files, spoilt.incidents = [], [], []
    return spoilt


def test_nothing_is_red_where_nothing_happened(evidence: Evidence) -> None:
    assert check(evidence) == {name: [] for name in INVARIANTS}


def lose_a_pairing(evidence: Evidence) -> None:
    evidence.ledger.queued.add("m_lost")


def leave_a_lease(evidence: Evidence) -> None:
    evidence.ledger.leased[evidence.ledger.queue.pop()] = 0.0


def give_up_twice(evidence: Evidence) -> None:
    waiting = evidence.ledger.queue.pop()
    evidence.ledger.dropped += [Dropped(id=waiting, a="a", b="b", pairs=1, worker="w", reason="no host")] * 2


def give_up_what_was_played(evidence: Evidence) -> None:
    played = evidence.recorded[0]
    evidence.ledger.dropped.append(Dropped(id=played.id, a="a", b="b", pairs=1, worker="w", reason="no host"))


def give_up_for_no_reason(evidence: Evidence) -> None:
    waiting = evidence.ledger.queue.pop()
    evidence.ledger.dropped.append(Dropped(id=waiting, a="a", b="b", pairs=1, worker="w", reason=""))


def write_a_match_twice(evidence: Evidence) -> None:
    evidence.ledger.matches.append(evidence.ledger.matches[-1])


def log_a_report_twice(evidence: Evidence) -> None:
    evidence.ledger.reports.append(evidence.ledger.reports[-1])


def lose_a_report(evidence: Evidence) -> None:
    evidence.ledger.reports.pop()


def make_a_report_up(evidence: Evidence) -> None:
    evidence.ledger.reports[-1] = Report("stream", 2, "[[0,1,0,9,9,9]]")


def grant(evidence: Evidence, token: int, at: float, ended: str) -> None:
    pairing = evidence.ledger.grants[0].pairing
    evidence.ledger.grants.append(Grant(pairing, token, "evaluator-0", at, at + SECONDS, ended, at + SECONDS))


def give_a_lease_that_nobody_got(evidence: Evidence) -> None:
    grant(evidence, 9, evidence.ledger.now, "recorded")


def serve(evidence: Evidence, pairing: str, at: float, ended: str) -> None:
    evidence.ledger.grants.append(Grant(pairing, 9, "evaluator-0", at, at + SECONDS, ended, at + SECONDS))
    evidence.ledger.now = max(evidence.ledger.now, at)


def hand_out_late(evidence: Evidence) -> None:
    now = evidence.ledger.now
    serve(evidence, "m_late", now, "expired")
    serve(evidence, "m_other", now + 2.1 * SECONDS, "recorded")
    serve(evidence, "m_late", now + 2.2 * SECONDS, "recorded")


def never_hand_out(evidence: Evidence) -> None:
    now = evidence.ledger.now
    serve(evidence, "m_late", now, "")
    serve(evidence, "m_other", now + 2.1 * SECONDS, "recorded")


def go_back(evidence: Evidence) -> None:
    evidence.journals["learner-0"].append([{"player": "p_learner", "steps": STEPS - 1}])


def leave_a_process(evidence: Evidence) -> None:
    evidence.processes.append("bot 1 (python)")


def leave_a_draft(evidence: Evidence) -> None:
    evidence.files.append(evidence.run.checkpoints / ".learner-0.json.abc.tmp")


def leave_something_temporary(evidence: Evidence) -> None:
    evidence.files.append(Path("/tmp/league-redis-abc"))


def help_it(evidence: Evidence) -> None:
    evidence.incidents.append("not everybody came back")


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (lose_a_pairing, "every match ends once"),
        (leave_a_lease, "every match ends once"),
        (give_up_twice, "every match ends once"),
        (give_up_what_was_played, "every match ends once"),
        (give_up_for_no_reason, "every match ends once"),
        (write_a_match_twice, "every match counts once"),
        (log_a_report_twice, "every report counts once"),
        (lose_a_report, "every report counts once"),
        (make_a_report_up, "every report counts once"),
        (give_a_lease_that_nobody_got, "one lease a call"),
        (hand_out_late, "expired leases are handed out again"),
        (never_hand_out, "expired leases are handed out again"),
        (go_back, "steps never fall below what was saved"),
        (leave_a_process, "nothing is left over"),
        (leave_a_draft, "nothing is left over"),
        (leave_something_temporary, "nothing is left over"),
        (help_it, "it came back by itself"),
    ],
)
def test_what_is_spoilt_is_found(evidence: Evidence, spoil: Callable[[Evidence], None], invariant: str) -> None:
    spoil(evidence)
    assert list(INVARIANTS[invariant](evidence))


def test_an_expired_lease_may_wait_as_long_as_nobody_asks(evidence: Evidence) -> None:
    now = evidence.ledger.now
    serve(evidence, "m_a", now, "expired")
    serve(evidence, "m_b", now + 0.1, "expired")
    serve(evidence, "m_other", now + 1.9 * SECONDS, "recorded")
    serve(evidence, "m_a", now + 40.0, "recorded")
    serve(evidence, "m_b", now + 50.0, "recorded")
    assert not list(INVARIANTS["expired leases are handed out again"](evidence))


def test_a_pairing_that_kills_its_workers_waits_behind_the_others(evidence: Evidence) -> None:
    now = evidence.ledger.now
    for number in range(3):
        serve(evidence, "m_poison", now + number, "expired")
    serve(evidence, "m_other", now + 10.0, "recorded")
    serve(evidence, "m_poison", now + 11.0, "recorded")
    assert not list(INVARIANTS["expired leases are handed out again"](evidence))
    evidence.ledger.grants.pop(-5)
    assert list(INVARIANTS["expired leases are handed out again"](evidence))


def test_a_call_whose_worker_died_may_have_taken_one_lease(evidence: Evidence) -> None:
    evidence.journals["evaluator-0"][0].append({"asks": "evaluator-0"})
    give_a_lease_that_nobody_got(evidence)
    assert not list(INVARIANTS["one lease a call"](evidence))
    grant(evidence, 10, evidence.ledger.now, "recorded")
    assert list(INVARIANTS["one lease a call"](evidence))


@pytest.mark.parametrize("pattern", ["*.safetensors", "learner-0-*", "learner-0.json"])
def test_a_file_that_is_missing_or_altered_is_found(evidence: Evidence, pattern: str) -> None:
    path = next(path for path in evidence.run.checkpoints.glob(pattern))
    content = path.read_bytes()
    try:
        for damaged in (None, content[:-2]):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            assert list(INVARIANTS["checkpoints are whole"](evidence)), damaged
            path.write_bytes(content)
    finally:
        path.write_bytes(content)


def test_standings_and_ratings_are_held_to_the_log(evidence: Evidence) -> None:
    path = evidence.run.exports / "leaderboard.json"
    text = path.read_text()
    board = json.loads(text)
    board["players"][0]["rating"] += 1e-9
    try:
        path.write_text(json.dumps(board))
        assert list(INVARIANTS["replay is bit-equal"](evidence))
    finally:
        path.write_text(text)
