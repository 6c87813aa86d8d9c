"""A real league, to which things are done; and what is left of it when it has ended."""

from __future__ import annotations

import heapq
import importlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from league.access import opened
from league.lock import held
from matchmaking.errors import MatchmakingError
from tests.chaos import processes
from tests.chaos.crew import journal
from tests.chaos.faults import LEASE, Action, Fault, faults
from tests.chaos.invariants import Evidence, check, collect
from tests.chaos.processes import Kind, Proc
from tests.chaos.target import COMEBACK, NAME, League, settings

BURST = 8  # faults between two waits until everybody is at work again
VICTIM = 15.0  # seconds to wait for a victim of the kind
GRACE = 10.0  # seconds to be gone in, for what was told to end
AIM = 3.0  # seconds to wait for the moment of an aimed kill


class NoComebackError(Exception):
    """The league did not come back within the time for it."""


@dataclass
class Story:
    """What was done, and what was found.

    Attributes:
        done: how often, by kind of process and action.
        missed: faults for which there was no victim in time.
        comebacks: seconds until everybody was at work again, after each burst.
        violations: by invariant.
        figures: how much there was to be checked.
        seconds: that it took.
    """

    done: Counter[tuple[Kind, Action]] = field(default_factory=Counter)
    missed: int = 0
    comebacks: list[float] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def faults(self) -> int:
        """Kills and freezes."""
        return sum(number for (_, action), number in self.done.items() if action is not Action.RESTART)


class Driver:
    """Does things to a league.

    Args:
        league: to which; it is started.
        say: told what happens, in a line each.
    """

    def __init__(self, league: League, say: Callable[[str], None]) -> None:
        self.league, self.say, self.story = league, say, Story()
        self.incidents: list[str] = []
        self._told = False  # to end
        self._frozen: list[tuple[float, int, Proc]] = []  # a heap by the time at which it is to go on

    def drive(self, plan: Iterator[Fault], over: Callable[[], bool]) -> None:
        """Do what is planned until it is over, and see the league come back now and again."""
        self.come_back()
        while not over():
            for _ in range(BURST):
                if not over():
                    fault = next(plan)
                    self._rest(fault.after)
                    self.story.missed += not self._strike(fault)
            self.come_back()

    def come_back(self) -> None:
        """Wait until nobody is frozen, everybody is at work, and the league gets on.

        Raises:
            NoComebackError: it does not.
        """
        began = time.monotonic()
        while self._frozen:
            self._rest(max(self._frozen[0][0] - time.monotonic(), 0.0))
        mark: dict[str, float] = {}
        while not self._at_work(mark):
            if time.monotonic() - began > self.league.patience:
                raise NoComebackError(
                    f"after {self.story.faults} faults not everybody came back in {time.monotonic() - began:.0f} s"
                )
            self._rest(0.1)
        self.story.comebacks.append(time.monotonic() - began)

    def _at_work(self, mark: dict[str, float]) -> bool:
        """Whether everybody gave a sign of life, and matches, ratings and steps grew, since the first call."""
        self._resume()
        try:
            with self.league.store() as store:
                now = store.session.now()
                beats = {beat.process: beat for beat in store.processes.heartbeats()}
                steps = sum(status.steps for status in store.processes.statuses().values())
                figures = {"matches": store.queue.num_matches(), "rated": store.ratings.position(), "steps": steps}
        except MatchmakingError:
            return False
        mark.setdefault("at", now)
        for name, value in figures.items():
            mark.setdefault(name, value)
        config = self.league.run.config()
        names = [f"learner-{number}" for number in range(config.learners.processes)]
        names += [f"evaluator-{number}" for number in range(config.evaluation.evaluators)]
        heard = all(
            name in beats and beats[name].at > mark["at"] and processes.look(beats[name].pid) is not None
            for name in (*names, "rater-0")
        )
        return heard and all(value > mark[name] for name, value in figures.items())

    def _rest(self, seconds: float) -> None:
        """Let time pass; who has been frozen for long enough goes on."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end or (self._frozen and self._frozen[0][0] <= now):
            while self._frozen and self._frozen[0][0] <= now:
                _, _, proc = heapq.heappop(self._frozen)
                if processes.same(proc):
                    os.kill(proc.pid, signal.SIGCONT)
            time.sleep(max(min(0.05, end - now), 0.0))
        self._resume()

    def _strike(self, fault: Fault) -> bool:
        """Do it; False where there was no victim."""
        victim = self._victim(fault)
        if victim is None:
            return False
        if fault.aimed is not None:
            self._aim(fault.kind)
            time.sleep(fault.aimed)
        number = {
            Action.KILL: signal.SIGKILL,
            Action.FREEZE: signal.SIGSTOP,
            Action.RESTART: signal.SIGINT if fault.kind is Kind.SUPERVISOR else signal.SIGTERM,
        }[fault.action]
        if not processes.same(victim):
            return False
        os.kill(victim.pid, number)
        self._told |= number is signal.SIGINT
        if fault.action is Action.FREEZE:
            heapq.heappush(self._frozen, (time.monotonic() + fault.seconds, victim.pid, victim))
        self.story.done[fault.kind, fault.action] += 1
        self.say(f"{fault.action} {fault.kind} {victim.pid}" + (f" for {fault.seconds:.1f} s" if fault.seconds else ""))
        return True

    def _victim(self, fault: Fault) -> Proc | None:
        deadline = time.monotonic() + VICTIM
        frozen = {proc.pid for _, _, proc in self._frozen}
        while time.monotonic() < deadline:
            found = [proc for proc in self.league.victims()[fault.kind] if proc.pid not in frozen]
            if found:
                return found[fault.which % len(found)]
            self._rest(0.02)
            frozen = {proc.pid for _, _, proc in self._frozen}
        return None

    def _aim(self, kind: Kind) -> None:
        """Wait until a learner writes, or has just put something in place; until the rater has just committed."""
        if kind is Kind.LEARNER:
            _until_it_changes(lambda: _stamps(self.league.run.checkpoints))
            return
        with suppress(MatchmakingError), self.league.store() as store:
            _until_it_changes(lambda: store.session.read("HGET", "fold", "commit"))

    def _resume(self) -> None:
        """Start the league again where its supervisor is gone, as its user would."""
        league = self.league
        if league.pid is not None or not league.run.config_file.exists():
            return
        code = league.ended()
        told = (130, 1) if self._told else ()  # 1 where somebody was killed over his last state
        if code != -signal.SIGKILL and code not in told:
            self.incidents.append(f"a supervisor ended by itself with exit code {code}: {league.last_words()}")
        self._told = False
        league.call("resume", NAME)


def _until_it_changes(look: Callable[[], object]) -> None:
    before = look()
    deadline = time.monotonic() + AIM
    while time.monotonic() < deadline and look() == before:
        time.sleep(0.002)


def _stamps(folder: Path) -> list[tuple[str, int]]:
    """The pointers and what is being written."""
    found = []
    for entry in os.scandir(folder):
        if entry.name.endswith((".json", ".tmp")):
            with suppress(FileNotFoundError):
                found.append((entry.name, entry.stat().st_mtime_ns))
    return sorted(found)


def run(
    root: Path,
    seed: int,
    kills: int,
    pace: float = 1.0,
    *,
    learners: int = 1,
    evaluators: int = 2,
    warm: bool = True,
    patience: float = COMEBACK,
    only: Collection[Kind] = tuple(Kind),
    enough: Callable[[], bool] = bool,
    say: Callable[[str], None] = print,
) -> Story:
    """Start a league, do `kills` things to it, end it, and check what is left.

    Args:
        root: an empty folder; a short path, for the socket of Redis lies in it.
        seed: of what is done.
        kills: kills and freezes; restarts come in addition.
        pace: mean seconds between two.
        learners: learner processes.
        evaluators: evaluator processes.
        warm: whether processes are forked, or started as a league starts them.
        patience: seconds in which everybody must be at work again.
        only: the kinds of processes that it is done to.
        enough: whether to end before `kills` are done.
        say: told what happens.
    """
    began = time.monotonic()
    processes.adopt_orphans()
    league = League(root, warm=warm, patience=patience)
    load_everything()
    driver = Driver(league, say)
    try:
        league.call(
            "start",
            "tic_tac_toe",
            "--name",
            NAME,
            "--device",
            "cpu",
            "--seed",
            str(seed),
            *settings(learners, evaluators),
        )
        _until(lambda: _entered(league), "a run in Redis", patience)
        try:
            driver.drive(faults(seed, pace, only), lambda: driver.story.faults >= kills or enough())
        except NoComebackError as error:
            driver.incidents.append(str(error))
        _end(league, driver)
        evidence = _evidence(league, driver)
        story = driver.story
    finally:
        league.close()
    story.violations, story.figures = evidence
    story.seconds = time.monotonic() - began
    return story


def load_everything() -> None:
    """What the processes that are forked from this one need."""
    for module in ("learner", "evaluator", "rater"):
        importlib.import_module(f"tests.chaos.crew.{module}")
    for module in ("api", "closing", "supervisor", "submission", "cli.control", "cli.players"):
        importlib.import_module(f"league.{module}")


def _until(question: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            raise NoComebackError(f"in {seconds:.0f} s there was never {what}")
        time.sleep(0.05)


def _entered(league: League) -> bool:
    try:
        league.enter_bots()
    except MatchmakingError:
        return False
    return True


def _end(league: League, driver: Driver) -> None:
    """`league stop`, after a calm in which every lease of somebody dead is handed out again."""
    time.sleep(2 * LEASE)
    if (code := league.ask("stop", NAME)) != 0:
        driver.incidents.append(f"`league stop` ended with exit code {code}")
    if (code := league.ended()) != 0:
        driver.incidents.append(f"the supervisor that was told to stop ended with exit code {code}")
    _linger(league)


def _linger(league: League) -> None:
    """Give what was told to end a moment; who is there afterwards is left over."""
    deadline = time.monotonic() + GRACE
    while (any(league.victims().values()) or held(league.run)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _evidence(league: League, driver: Driver) -> tuple[dict[str, list[str]], dict[str, float]]:
    left = [proc for proc in processes.below(os.getpid()).values() if proc.state not in "ZX"]
    files = sorted(league.run.path.rglob("*"))  # before the server is started to read
    with opened(league.run) as matchmaker:
        evidence = collect(league.run, matchmaker.store, journal.read(league.journals), LEASE)
        evidence.processes = [f"{proc.name} {proc.pid} ({processes.words(proc.pid)})" for proc in left]
        evidence.incidents = driver.incidents
        evidence.files = [*files, *sorted(league.temporary.iterdir())]
        return check(evidence), _figures(evidence)


def _figures(evidence: Evidence) -> dict[str, float]:
    ledger, store = evidence.ledger, evidence.store
    ends = Counter(grant.ended or "held" for grant in ledger.grants)
    return {
        "pairings": len(ledger.queued),
        "leases": len(ledger.grants),
        "expired": ends["expired"],
        "given back": ends["returned"],
        "given up": len(ledger.dropped),
        "rated": len(ledger.matches),
        "games": sum(len(result.outcomes) for result in evidence.recorded),
        "reports": len(ledger.reports),
        "players": len(store.players()),
        "steps": sum(status.steps for status in store.processes.statuses().values()),
    }
