"""The public functions behind the command line: `league.start(...)`, `league.resume(...)`, `league.stop(...)`, ...

They take and give plain values, raise the errors of `league.errors` and `matchmaking.errors`, and print nothing beyond
what the reporter shows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from league.access import asked, opened
from league.clock import training_time
from league.config import LeagueConfig, parse_duration
from league.errors import ConfigError, InputError, LeagueError, RunError
from league.lock import held
from league.runs import RunFolder, create, find, fresh_name, mark_newest, runs_root
from league.settings import NOBODY, Layer, nest, players_layer, resolve, save, set_layer
from league.snapshot import Snapshot, SnapshotReader
from league.text import duration as duration_text
from league.watch import Reporter

if TYPE_CHECKING:
    from matchmaking.standings import Board  # brings scipy, which `league status` does without

STOP_PATIENCE = 120.0  # seconds for a run to save everything and end


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended.

    Attributes:
        run: its folder.
        exit_code: 0 where it reached its limit or was told to stop, 130 where it was interrupted.
        closed: whether it ended in order, with its tables in `exports/`; not where it was stopped at once.
    """

    run: RunFolder
    exit_code: int
    closed: bool


def start(
    arena: str | None = None,
    *,
    name: str | None = None,
    config: Path | None = None,
    duration: float | str | None = None,
    steps: int | None = None,
    device: str | None = None,
    players: str | Mapping[str, int] | None = None,
    redis: str | None = None,
    seed: int | None = None,
    settings: Sequence[str] = (),
    fresh: bool = False,
    runs_dir: Path | None = None,
    reporter: Reporter | None = None,
) -> Finished:
    """Train a league until its limit, or until it is stopped.

    Args:
        arena: the arena's name; None takes the configuration's.
        name: of the run; None makes one up.
        config: a TOML file of settings.
        duration: seconds, or a text such as `10m`; None goes on until the run is stopped.
        steps: learner samples of each player after which the run ends.
        device: `auto`, `cpu` or `cuda`.
        players: learners by role, or `main_agent=1,main_exploiter=1`; `none` for an arena without learners.
        redis: URL of a Redis to use instead of the embedded one.
        seed: of every random stream.
        settings: `key.path=value`, over everything else.
        fresh: delete a run of this name first.
        runs_dir: the folder of all runs.
        reporter: where the league is shown; None shows nothing.

    Raises:
        ConfigError: the configuration is not valid.
        RunError: a run of this name exists.
        MatchmakingError: no Redis, or one that does not fit.
    """
    given = {"run.duration": duration, "run.steps": steps, "learners.device": device, "redis": redis, "seed": seed}
    flags = [Layer(FLAGS[path], nest(path.split("."), value)) for path, value in given.items() if value is not None]
    if players is not None:
        text = players if isinstance(players, str) else ",".join(f"{role}={number}" for role, number in players.items())
        flags.append(players_layer(text or NOBODY))
    flags += [set_layer(assignment) for assignment in settings]
    resolved = configuration(arena, config, flags)
    root = runs_root(runs_dir)
    name = fresh_name(resolved.arena) if name is None else name
    check_redis(resolved, name)
    run = create(root, resolved, name, fresh=fresh)
    return _supervise(run, resolved, reporter)


FLAGS = {
    "run.duration": "--for",
    "run.steps": "--steps",
    "learners.device": "--device",
    "redis": "--redis",
    "seed": "--seed",
}
"""How a message calls what has its own option."""


def configuration(arena: str | None, file: Path | None, flags: Sequence[Layer]) -> LeagueConfig:
    """The resolved configuration of a new run, checked against what this machine and its packages have.

    Raises:
        ConfigError: an unknown key, a value that is not valid, a GPU that is not there.
        UnknownArenaError, ArenaOptionError, RuleError, ScriptedPlayerError: names that do not exist.
    """
    wanted = resolve(arena, file=file, flags=flags).learners.device
    gpu = wanted != "cpu" and cuda_available()
    if wanted == "cuda" and not gpu:
        raise ConfigError("device cuda: torch finds no CUDA GPU on this machine; --device cpu or --device auto")
    config = resolve(arena, file=file, flags=flags, gpu=gpu)
    if not config.trains and not config.evaluation.evaluators:
        raise ConfigError("nothing would happen: there are neither learners nor evaluators (evaluation.evaluators)")
    if config.run.steps is not None and not config.trains:
        raise ConfigError(
            f"run.steps = {config.run.steps}, but there is no learner to take them; --for limits the time"
        )
    _check_parts(config)
    return config


def cuda_available() -> bool:
    """Whether torch finds a CUDA GPU."""
    import torch

    return torch.cuda.is_available()


def check_redis(config: LeagueConfig, name: str) -> None:
    """Look for the Redis of a new run before anything is written.

    Raises:
        RedisUnreachableError: it does not answer, or there is no server program to start.
        SchemaMismatchError: it holds a run of this name of another version.
        RunError: it holds a run of this name.
    """
    from matchmaking.errors import UnknownRunError
    from matchmaking.program import find_server
    from matchmaking.store import Store

    if config.redis is None:
        find_server()
        return
    try:
        Store.open(config.redis, name).close()
    except UnknownRunError:
        return
    raise RunError(f"run {name!r} exists in the Redis that was given: choose another --name")


def _check_parts(config: LeagueConfig) -> None:
    """Make everything that is called by a name once, and see that what is trained fits the arena."""
    from agents.networks import Network
    from agents.rollout import check_trainable
    from agents.scripted.registry import ScriptedPlayerError
    from agents.scripted.registry import make as make_scripted
    from arenas.registry import ArenaOptionError, UnknownArenaError
    from arenas.registry import make as make_arena
    from league.trainers import check_teams
    from matchmaking.rules.registry import make as make_rule

    make_rule(config.matchmaking.rule, **config.matchmaking.options)
    try:
        with closing(make_arena(config.arena, **config.arena_options)) as arena:
            for anchor in config.evaluation.anchors:
                make_scripted(anchor, arena.spec)
            if config.teams:
                check_teams(config, arena)
            elif config.trains:
                check_trainable(arena, config.rollout)
                Network(config.network, arena.spec.observation_shape, arena.spec.num_actions)
    except (ArenaOptionError, ScriptedPlayerError, UnknownArenaError):
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def resume(
    run: str | None = None,
    *,
    duration: float | str | None = None,
    steps: int | None = None,
    runs_dir: Path | None = None,
    reporter: Reporter | None = None,
) -> Finished:
    """Go on with a run that was stopped or broke off.

    Args:
        run: its name; None takes the newest.
        duration: how much longer it trains; None keeps to the limit that it was started with.
        steps: a new limit of learner samples of each player.
        runs_dir: the folder of all runs.
        reporter: where the league is shown; None shows nothing.

    Raises:
        RunError: there is no such run, or it is running.
    """
    folder = find(runs_root(runs_dir), run)
    if held(folder):
        raise RunError(f"run {folder.name!r} is running already: watch it with `league watch {folder.name}`")
    config = folder.config()
    if config.learners.device == "cuda" and not cuda_available():
        raise ConfigError(
            f"{folder.config_file}: learners.device = 'cuda', but torch finds no CUDA GPU on this machine"
        )
    more = None if duration is None else seconds(duration)
    _check_parts(config)
    if steps is not None:
        config = config.model_copy(update={"run": config.run.model_copy(update={"steps": steps})})
        save(config, folder.config_file)
    if more is None:
        _check_time_left(folder, config)
    mark_newest(folder)
    return _supervise(folder, config, reporter, more)


def _check_time_left(run: RunFolder, config: LeagueConfig) -> None:
    elapsed, left = asked(run, config, lambda matchmaker: training_time(matchmaker.store, config.run.duration))
    if left == 0.0:
        again = f"`league resume {run.name} --for 10m` goes on with it"
        raise RunError(f"run {run.name!r} has trained for its {duration_text(elapsed)}; {again}")


def seconds(duration: float | str) -> float:
    """A duration in seconds.

    Raises:
        InputError: it is none.
    """
    try:
        value = parse_duration(duration)
    except ValueError as error:
        raise InputError(f"{duration!r} is no duration: {error}") from error
    if value <= 0:
        raise InputError(f"{duration!r} is no duration: it has to be longer than nothing")
    return value


def _supervise(run: RunFolder, config: LeagueConfig, reporter: Reporter | None, more: float | None = None) -> Finished:
    from league.supervisor import Supervisor
    from league.watch import Silent

    supervisor = Supervisor(run, config, config.redis, reporter or Silent(), more=more)
    exit_code = supervisor.run()
    return Finished(run, exit_code, supervisor.closed)


def stop(run: str | None = None, *, runs_dir: Path | None = None, patience: float = STOP_PATIENCE) -> RunFolder:
    """Stop a running run and wait until everything is saved.

    Raises:
        InputError: the run is not running.
        LeagueError: it does not end.
    """
    from matchmaking.run_records import Command

    folder = find(runs_root(runs_dir), run)
    if not held(folder):
        raise InputError(f"run {folder.name!r} is not running")
    with opened(folder) as matchmaker:
        matchmaker.store.processes.send(Command(target="all", name="stop"))
    deadline = time.monotonic() + patience
    while held(folder):
        if time.monotonic() > deadline:
            raise LeagueError(
                f"run {folder.name!r} has not ended within {patience:.0f} s; its logs are in {folder.logs}"
            )
        time.sleep(0.1)
    return folder


def status(run: str | None = None, *, runs_dir: Path | None = None) -> Snapshot:
    """How a run stands."""
    folder = find(runs_root(runs_dir), run)
    config = folder.config()
    state = "running" if held(folder) else "stopped"
    with opened(folder, config) as matchmaker:
        elapsed, left = training_time(matchmaker.store, config.run.duration)
        return SnapshotReader(matchmaker).read(state=state, elapsed=elapsed, time_left=left)


def leaderboard(run: str | None = None, *, runs_dir: Path | None = None) -> Board:
    """The published ratings of a run, computed from its whole log of rated matches."""
    from league.reports.board import published  # late: its charts bring numpy

    folder = find(runs_root(runs_dir), run)
    with opened(folder) as matchmaker:
        return published(matchmaker, folder)
