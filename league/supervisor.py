"""The supervisor: starts the processes of a league, keeps them alive, and brings the run to its end.

It plays, trains and rates nothing itself, and imports no torch. It can be killed at any moment: its processes die with
it, what counts is in Redis and in the checkpoints, and the next supervisor goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from league.clock import TrainingClock
from league.config import LeagueConfig
from league.crew import Crew, Programs, make_crew
from league.errors import INTERRUPTED, LeagueError
from league.flags import clear_flags, unplayable
from league.interrupts import Interrupts, StopAtOnceError
from league.keeper import RedisKeeper
from league.launchers.core import Launcher
from league.launchers.local import LocalLauncher
from league.lock import run_lock
from league.process import FINISH, STOP
from league.registration import register_players
from league.runs import RunFolder
from league.snapshot import Snapshot, SnapshotReader
from league.suspension import inactive
from league.watch import Reporter
from league.worker import Patience, Worker, WorkerFailedError
from matchmaking.errors import MatchmakingError, RedisUnreachableError
from matchmaking.records import Kind, LearnerStatus, Player
from matchmaking.run_records import Command
from matchmaking.service import Matchmaker

NAME = "supervisor"
TICK = 0.05  # seconds between two looks at processes and signals
LOOK = 1.0  # seconds between two looks into Redis
LOCK_WAIT = 3.0  # seconds: a command that looks at a run holds it for a moment


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the parts of an ending may take, in seconds.

    Attributes:
        save: for a learner to freeze, save its state and leave.
        leave: for an evaluator or the rater to leave.
    """

    save: float = 60.0
    leave: float = 20.0


class Ending(StrEnum):
    """Why a run ends."""

    LIMIT = "its limit is reached"
    COMMAND = "it was told to stop"
    INTERRUPT = "it was interrupted"


class Supervisor:
    """Runs a league until its limit, until it is stopped, or until it cannot go on.

    Args:
        run: the run's folder.
        config: its configuration.
        redis_url: a Redis to use; None starts the embedded one.
        reporter: where the league is shown; it is not closed.
        more: seconds to train from now on, in place of the configured limit.
        launcher: starts the processes; on this machine by default.
        programs: what they run.
        patience: before something is done about a process.
        deadlines: of the ending.

    Attributes:
        closed: whether the run was brought to its end in order, with its tables in `exports/`.
    """

    def __init__(
        self,
        run: RunFolder,
        config: LeagueConfig,
        redis_url: str | None,
        reporter: Reporter,
        *,
        more: float | None = None,
        launcher: Launcher | None = None,
        programs: Programs | None = None,
        patience: Patience | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.closed = False
        self._run = run
        self._config = config
        self._reporter = reporter
        self._more = more
        self._launcher = launcher or LocalLauncher()
        self._programs = programs or Programs()
        self._patience = patience or Patience()
        self._deadlines = deadlines or Deadlines()
        self._keeper = RedisKeeper(run, config, redis_url, self._say)
        self._interrupts = Interrupts()
        self._state = "starting"
        self._next_look = 0.0
        self._stop_asked = False
        self._flagged: set[str] = set()
        self._left_out: set[str] = set()  # bots that are not matched
        self._statuses: dict[str, LearnerStatus] = {}

    def run(self) -> int:
        """Run the league.

        Returns:
            The exit code: 0 where it reached its limit or was told to stop, 130 where it was interrupted.

        Raises:
            LeagueError: another supervisor runs this run, or a process of it cannot be kept alive.
            MatchmakingError: no Redis, or one that does not fit.
        """
        with run_lock(self._run, LOCK_WAIT), self._interrupts:
            crew: Crew | None = None
            try:
                crew = self._keeper.brought_up(self._open)
                return self._supervise(crew)
            except StopAtOnceError:
                self._say("stopped at once; `league resume` goes on from what was last saved")
                return INTERRUPTED
            finally:
                self._interrupts.shield()
                if crew is not None:
                    crew.kill()
                self._keeper.close()

    def _open(self) -> Crew:
        """Redis, the run in it, its players; everything that is needed before a process can start."""
        self._store = self._keeper.open()
        config = self._config
        register_players(self._store, config)
        clear_flags(self._store)
        self._learners = [player for player in self._store.players() if player.kind is Kind.LEARNER]
        self._reader = SnapshotReader(Matchmaker(self._store))
        self._clock = TrainingClock(self._store, config.run.duration, self._more)
        self._commands_seen = self._store.processes.num_commands()
        self._statuses = self._store.processes.statuses()
        self._known_players = len(self._store.players())
        self._left_out = set(inactive(self._store))
        return make_crew(
            self._run,
            config,
            self._learners,
            launcher=self._launcher,
            programs=self._programs,
            patience=self._patience,
            say=self._say,
            complete=self._have_their_steps,
        )

    def _supervise(self, crew: Crew) -> int:
        try:
            ending = self._train(crew)
        except (WorkerFailedError, MatchmakingError):
            self._interrupts.shield()
            self._stop_quickly(crew)  # what still works saves what it has
            raise
        self._say(f"the run ends: {ending}")
        faults = self._close(crew, ending)
        if faults:
            raise LeagueError("\n".join(faults))
        return INTERRUPTED if ending is Ending.INTERRUPT else 0

    # While it runs.

    def _train(self, crew: Crew) -> Ending:
        """Keep everything going until the run is to end."""
        now = time.monotonic()
        ending = self._ending()
        if ending is None:
            needed: Sequence[Worker] = crew.everyone
        else:  # killed on its last steps: what was left to do is done now
            needed = (*crew.evaluators, *crew.raters) if ending is Ending.LIMIT else ()
        for worker in needed:
            worker.start(now)
        self._state = "running"
        while ending is None:
            self._tick(crew)
            ending = self._ending()
        self._keeper.patiently(self._clock.save)
        return ending

    def _tick(self, crew: Crew) -> None:
        time.sleep(TICK)
        now = time.monotonic()
        self._clock_tick(crew, now)
        if now >= self._next_look:
            self._next_look = now + LOOK
            self._look(crew, now)
        crew.check(now)

    def _clock_tick(self, crew: Crew, now: float) -> None:
        with suppress(RedisUnreachableError):  # it is saved the next time
            self._clock.tick(now, crew.working)

    def _look(self, crew: Crew, now: float) -> None:
        """Look into Redis, and show what is there."""
        try:
            elapsed, left = self._clock.time
            snapshot = self._reader.read(state=self._state, elapsed=elapsed, time_left=left)
            self._statuses = self._store.processes.statuses()
            orders = self._store.processes.commands(NAME, self._commands_seen)
            self._announce()
        except RedisUnreachableError as error:
            self._keeper.revive(error)
            crew.excuse(time.monotonic())
            return
        self._keeper.answered()
        self._commands_seen = orders.seen
        self._stop_asked |= any(order.name == STOP for order in orders.commands)
        crew.hear(snapshot.processes, now)
        self._reporter.update(self._with_steps_left(snapshot))

    def _announce(self) -> None:
        """Say who joined the pool, and who cannot play or is left out."""
        for player in self._store.players(since=self._known_players):
            self._known_players += 1
            after = "" if player.kind is not Kind.FROZEN else f" after {player.steps:,} samples"
            self._say(f"{player.name} joins the pool{after}")
        for flagged, reason in unplayable(self._store).items():
            if flagged not in self._flagged:
                self._flagged.add(flagged)
                self._say(f"not rated any more: {reason}")
        left_out = inactive(self._store)
        names = {player.id: player.name for player in self._store.players()} if left_out.keys() - self._left_out else {}
        for bot in left_out.keys() - self._left_out:
            self._say(f"{names[bot]} gets no more matches: {left_out[bot]}")
        self._left_out = set(left_out)  # one that is made active again may be left out once more

    def _with_steps_left(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the time that a limit of samples leaves, where that is shorter."""
        steps = self._config.run.steps
        if steps is None or any(row.samples_per_second <= 0 for row in snapshot.learners):
            return snapshot
        left = max((max(steps - row.steps, 0) / row.samples_per_second for row in snapshot.learners), default=0.0)
        return snapshot.model_copy(update={"time_left": min(left, snapshot.time_left or left)})

    def _ending(self) -> Ending | None:
        if self._interrupts.asked:
            return Ending.INTERRUPT
        if self._stop_asked:
            return Ending.COMMAND
        if self._clock.over or self._have_their_steps(self._learners):
            return Ending.LIMIT
        return None

    def _have_their_steps(self, players: Sequence[Player]) -> bool:
        steps = self._config.run.steps
        if steps is None or not players:
            return False
        with suppress(RedisUnreachableError):
            self._statuses = self._store.processes.statuses()
        return all(player.id in self._statuses and self._statuses[player.id].steps >= steps for player in players)

    # The ending.

    def _close(self, crew: Crew, ending: Ending) -> list[str]:
        """Bring the run to its end in order; returns what went wrong."""
        if ending is Ending.LIMIT:
            self._state = "saving"
            self._finish(crew, crew.learners, self._deadlines.save)
            self._stop(crew, crew.learners, self._deadlines.save)
            self._state = "last matches"
            self._finish(crew, crew.evaluators, self._config.evaluation.closing_seconds)
            self._state = "closing"
            self._stop(crew, crew.evaluators, self._deadlines.leave)
            self._stop(crew, crew.raters, self._deadlines.leave)
        else:
            self._stop_quickly(crew)
        from league.closing import remove_drafts, write_exports  # solvers, for which nobody should wait at the start

        remove_drafts(self._run)
        self._keeper.patiently(lambda: write_exports(self._run, self._store))
        self._say(f"the tables are in {self._run.exports}")
        self._reporter.update(
            self._keeper.patiently(lambda: self._reader.read(state="stopped", elapsed=self._clock.time.elapsed))
        )
        self.closed = True
        return [worker.fault for worker in crew.learners if worker.fault is not None]

    def _stop_quickly(self, crew: Crew) -> None:
        self._state = "stopping"
        self._stop(crew, (*crew.learners, *crew.evaluators), self._deadlines.save)
        self._stop(crew, crew.raters, self._deadlines.leave)

    def _finish(self, crew: Crew, workers: Sequence[Worker], seconds: float) -> None:
        """Ask workers to do what is due and leave, and wait for them; who is not ready by then is left running."""
        told: set[str] = set()

        def done() -> bool:
            running = _running(workers)
            for worker in running:
                if worker.working and worker.name not in told:  # one that still starts would not hear it
                    told.add(worker.name)
                    order = Command(target=worker.name, name=FINISH)
                    self._keeper.patiently(partial(self._store.processes.send, order))
            return not running

        self._wait(crew, done, seconds)

    def _stop(self, crew: Crew, workers: Sequence[Worker], seconds: float) -> None:
        """Ask workers to stop and wait for them; who does not is killed."""
        for worker in workers:
            worker.terminate()
        self._wait(crew, lambda: not _running(workers), seconds)
        for worker in _running(workers):
            self._say(f"{worker.name} does not stop within {seconds:.0f} s and is killed")
            worker.kill()

    def _wait(self, crew: Crew, done: Callable[[], bool], seconds: float) -> None:
        """Wait until something is done, for so long at most; Redis is looked after meanwhile."""
        deadline = time.monotonic() + seconds
        while not done() and (now := time.monotonic()) < deadline:
            if now >= self._next_look:
                self._next_look = now + LOOK
                self._look(crew, now)
            time.sleep(TICK)

    def _say(self, text: str) -> None:
        """Tell the person who looks, and the supervisor's own log."""
        self._reporter.line(text)
        with (self._run.logs / f"{NAME}.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def _running(workers: Sequence[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.poll()]
