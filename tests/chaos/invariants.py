"""What must be true of a league, whatever was done to it: each invariant gives what contradicts it, in a line each."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from agents.checkpoint import CheckpointError, CheckpointStore
from agents.durable import SUFFIX, decode
from agents.state_store import StateStore
from league.lock import LOCK
from league.runs import RunFolder
from matchmaking.rebuild import rebuild
from matchmaking.records import Kind, MatchResult, Player
from matchmaking.standings import standings
from matchmaking.store import Store
from tests.chaos import ledger as ledgers
from tests.chaos.ledger import Ledger

PATIENT = 2  # so often an expired lease waits for nothing but a worker
Journals = dict[str, list[list[dict[str, Any]]]]


@dataclass
class Evidence:
    """What is left of a run that has ended.

    Attributes:
        run: its folder.
        store: its store; the server was started for reading.
        ledger: what the server was told to keep.
        journals: what learners and evaluators wrote down, by process and start.
        lease_seconds: for which leases were given.
        processes: those that live on, a line each.
        files: all that lay in the run's folder and in that for temporary files when the run had ended.
        incidents: what had to be done by hand, or never came back.
    """

    run: RunFolder
    store: Store
    ledger: Ledger
    journals: Journals
    lease_seconds: float
    processes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)

    @property
    def recorded(self) -> list[MatchResult]:
        """The log of rated matches as it was written."""
        return [MatchResult.model_validate_json(text) for text in self.ledger.matches]


def ends_once(evidence: Evidence) -> Iterator[str]:
    """Every pairing that was queued is played, given up with a reason, or waits: exactly one of them, exactly once."""
    ledger = evidence.ledger
    fates = Counter(result.id for result in evidence.recorded)
    fates.update(dropped.id for dropped in ledger.dropped)
    fates.update(ledger.queue)
    fates.update(ledger.leased.keys())
    for pairing in sorted(ledger.queued):
        if fates[pairing] != 1:
            held = [grant for grant in ledger.grants if grant.pairing == pairing]
            last = f"last held by {held[-1].worker} under token {held[-1].token}" if held else "never held"
            yield f"{pairing} has {fates[pairing]} ends ({last})"
    for pairing in sorted(fates.keys() - ledger.queued):
        yield f"{pairing} was never queued"
    for pairing in sorted(ledger.leased):
        yield f"{pairing} is still leased, to nobody"
    for dropped in ledger.dropped:
        if not dropped.reason:
            yield f"{dropped.id} was given up for no reason"


def counted_once(evidence: Evidence) -> Iterator[str]:
    """The log holds each match once, all that was written and nothing else; the ratings have taken in each once."""
    stored, written = evidence.store.queue.matches(), evidence.recorded
    if stored != written:
        yield f"the log of matches holds {len(stored)} results, not the {len(written)} that were written"
    for pairing, times in Counter(result.id for result in stored).items():
        if times > 1:
            yield f"{pairing} is in the log of matches {times} times"
    state = evidence.store.ratings.state()
    if state.position != len(stored):
        yield f"the ratings stand for {state.position} results of {len(stored)}"
    games, rated = Counter[str](), {player: rating.games for player, rating in state.ratings.items()}
    for result in stored:
        games.update({result.a: len(result.outcomes), result.b: len(result.outcomes)})
    for player in sorted(games.keys() | rated.keys()):
        if games[player] != rated.get(player, 0):
            yield f"{player} has {games[player]} games in the log and {rated.get(player, 0)} in its rating"
    tokens = [grant.token for grant in evidence.ledger.grants]
    if any(late <= early for early, late in pairwise(tokens)):
        yield "fencing tokens do not rise"


def replay_equal(evidence: Evidence) -> Iterator[str]:
    """Ratings, curves, payoff and standings are what the logs give, bit for bit."""
    found = rebuild(evidence.store)
    if not found.exact:
        wrong = len(found.payoff_differences), len(found.rating_differences)
        yield f"replayed, {wrong[0]} pairs of the payoff and {wrong[1]} ratings differ"
    players = [player for player in evidence.store.players() if player.kind is not Kind.LEARNER]
    board = standings(evidence.recorded, players, evidence.store.ratings.state().ratings)
    columns = (
        "id",
        "rank",
        "rating",
        "rating_low",
        "rating_high",
        "elo",
        "games",
        "wins",
        "draws",
        "losses",
        "nash_weight",
    )
    replayed = [{column: row.model_dump(mode="json")[column] for column in columns} for row in board.players]
    exported = evidence.run.exports / "leaderboard.json"
    if not exported.exists():
        yield "no standings were published"
        return
    published = json.loads(exported.read_text())["players"]
    if replayed != [{column: row[column] for column in columns} for row in published]:
        yield "the published standings are not those of the log"


def reports_once(evidence: Evidence) -> Iterator[str]:
    """Each report of episodes is in the log once a ticket; none that was acknowledged is missing, none is made up."""
    logged = Counter((report.client, report.number) for report in evidence.ledger.reports)
    for (client, number), times in logged.items():
        if times > 1:
            yield f"report {number} of {client} is in the log of episodes {times} times"
    given: dict[tuple[str, int], set[str]] = {}
    for entry in _entries(evidence.journals, "learner"):
        if "report" in entry:
            client, first = entry["report"]
            for number, rows in enumerate(entry["rows"], first):
                given.setdefault((client, number), set()).add(json.dumps(rows, separators=(",", ":")))
    for entry in _entries(evidence.journals, "learner"):
        if "reported" in entry:
            client, first = entry["reported"]
            for number in range(first, first + entry["count"]):
                if not logged[client, number]:
                    yield f"report {number} of {client} was acknowledged and is not in the log"
    for report in evidence.ledger.reports:
        if report.text not in given.get((report.client, report.number), ()):
            yield f"report {report.number} of {report.client} is in the log and was never made"
    stored = evidence.store.episode_reports()
    if stored != len(evidence.ledger.reports):
        yield f"the log of episodes holds {stored} reports, not the {len(evidence.ledger.reports)} that were written"


def one_lease_a_call(evidence: Evidence) -> Iterator[str]:
    """A call for a lease takes one pairing, however often it is repeated: nobody holds one and does not know it."""
    for worker, starts in evidence.journals.items():
        if not worker.startswith("evaluator"):
            continue
        granted = [grant.token for grant in evidence.ledger.grants if grant.worker == worker]
        unknown = 0  # calls that may have taken a lease whose worker died before it knew
        place = 0
        for entries in starts:
            for number, entry in enumerate(entries):
                if "asks" in entry and (number + 1 == len(entries) or "token" not in entries[number + 1]):
                    unknown += 1
                if entry.get("token") is not None:
                    if entry["token"] not in granted[place:]:
                        yield f"{worker} holds token {entry['token']}, which it was not given"
                        continue
                    skipped = granted.index(entry["token"], place) - place
                    if skipped > unknown:
                        yield f"{worker} was given {skipped} leases that it never got, before token {entry['token']}"
                    place += skipped + 1
                    unknown = 0
        if len(granted) - place > unknown:
            yield f"{worker} was given {len(granted) - place} leases that it never got, at the end"


def handed_out_again(evidence: Evidence) -> Iterator[str]:
    """An expired lease is somebody else's within twice its time, unless nobody asked: it waits for no other pairing.

    Only the pairings of newcomers are put before it. From the third time on it waits behind all others, lest a pairing
    that kills its workers starve them.
    """
    ledger, seconds = evidence.ledger, evidence.lease_seconds
    again: list[bool] = []  # whether each hand-out is of a pairing whose lease has expired
    expiries = Counter[str]()
    for grant in ledger.grants:
        again.append(expiries[grant.pairing] > 0)
        expiries[grant.pairing] += grant.ended == "expired"
    expiries.clear()
    for number, grant in enumerate(ledger.grants):
        expiries[grant.pairing] += grant.ended == "expired"
        over = grant.ended == "expired" or (not grant.ended and grant.deadline + seconds < ledger.now)
        if not over or expiries[grant.pairing] > PATIENT:
            continue
        later = list(zip(ledger.grants, again, strict=True))[number + 1 :]
        successor = next((other.at for other, _ in later if other.pairing == grant.pairing), math.inf)
        others = [other for other, old in later if not old and grant.deadline + seconds < other.at < successor]
        served = [other.pairing for other in others if other.pairing not in ledger.first]
        if served:
            waited = min(successor, ledger.now) - grant.deadline
            yield f"{grant.pairing} was nobody's for {waited:.1f} s after its lease, but {served[0]} was somebody's"


def checkpoints_whole(evidence: Evidence) -> Iterator[str]:
    """Every frozen player has its checkpoint, every learner process its states; all that is there is what it says."""
    folder = evidence.run.checkpoints
    checkpoints = CheckpointStore(folder)
    needed = {player.checkpoint for player in evidence.store.players() if player.checkpoint}
    for sha in sorted(needed | set(checkpoints.list())):
        try:
            checkpoints.load(sha)
        except CheckpointError as error:
            yield str(error)
    for name in sorted(name for name in evidence.journals if name.startswith("learner")):
        states = StateStore(folder, name)
        try:
            kept = states.kept()
            for sha in kept:
                states.load(sha)
        except CheckpointError as error:
            yield str(error)
            continue
        if not kept:
            yield f"{name} has no saved state"
    for path in sorted((folder / "live").glob(f"*{SUFFIX}")):
        try:
            decode(path, path.read_bytes())
        except CheckpointError as error:
            yield str(error)


def steps_hold(evidence: Evidence) -> Iterator[str]:
    """A learner never goes back further than to what it last saved; generations have no gap, their steps never fall."""
    for name, starts in evidence.journals.items():
        saved: dict[str, int] = {}
        for entry in (entry for entries in starts for entry in entries):
            if "player" in entry and entry["steps"] < saved.get(entry["player"], 0):
                before = saved[entry["player"]]
                yield f"{name}: {entry['player']} is at {entry['steps']} steps after {before} were saved"
            saved |= entry.get("saved", {})
        now = evidence.store.processes.statuses()
        for player, steps in saved.items():
            if now[player].steps != steps:
                yield f"{name}: {player} ended with {now[player].steps} steps and saved {steps}"
    players = evidence.store.players()
    for learner in (player for player in players if player.kind is Kind.LEARNER):
        yield from _generations(learner, [player for player in players if player.parent == learner.id])


def _generations(learner: Player, frozen: list[Player]) -> Iterator[str]:
    if [player.version for player in frozen] != [str(number) for number in range(len(frozen))]:
        yield f"{learner.name} has the versions {[player.version for player in frozen]}"
    for early, late in pairwise(frozen):
        if late.steps < early.steps:
            yield f"{late.name} has {late.steps} steps and {early.name} before it {early.steps}"


def nothing_left_over(evidence: Evidence) -> Iterator[str]:
    """No process lives on, and no file lies about that nothing will read or remove."""
    for process in evidence.processes:
        yield f"process left over: {process}"
    run = evidence.run
    queue = set(evidence.ledger.queue)
    waiting = {f".{grant.pairing}.{grant.worker}.draft" for grant in evidence.ledger.grants if grant.pairing in queue}
    bots = {player.version for player in evidence.store.players() if player.kind is Kind.BOT}
    for path in evidence.files:
        if not path.is_relative_to(run.path):
            yield f"temporary file left over: {path.name}"
            continue
        hidden = path.name.startswith(".") and path.name != LOCK and path.name not in waiting  # replays
        stranger = path.parent == run.bots and path.name not in bots
        if hidden or stranger or path.suffix in (".tmp", ".sock"):
            yield f"file left over: {path.relative_to(run.path)}"


def came_back(evidence: Evidence) -> Iterator[str]:
    """Nobody had to do anything by hand."""
    yield from evidence.incidents


def _entries(journals: Journals, kind: str) -> Iterator[dict[str, Any]]:
    for name, starts in journals.items():
        if name.startswith(kind):
            for entries in starts:
                yield from entries


INVARIANTS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "every match ends once": ends_once,
    "every match counts once": counted_once,
    "every report counts once": reports_once,
    "one lease a call": one_lease_a_call,
    "replay is bit-equal": replay_equal,
    "expired leases are handed out again": handed_out_again,
    "checkpoints are whole": checkpoints_whole,
    "steps never fall below what was saved": steps_hold,
    "nothing is left over": nothing_left_over,
    "it came back by itself": came_back,
}


def check(evidence: Evidence) -> dict[str, list[str]]:
    """What contradicts each invariant."""
    return {name: list(invariant(evidence)) for name, invariant in INVARIANTS.items()}


def collect(run: RunFolder, store: Store, journals: Journals, lease_seconds: float) -> Evidence:
    """The evidence of a run, whose server was started for reading."""
    return Evidence(run, store, ledgers.read(run.redis, run.name, lease_seconds), journals, lease_seconds)
