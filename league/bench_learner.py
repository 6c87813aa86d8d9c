"""How fast a learner trains: the real process's loop, with matchmaking, reports, PPO and freezing, pinned to one core.

Each case runs in a process of its own (`python -m league.bench_learner CASE`). Samples are transitions that enter a
gradient; they are given a second of CPU time, which other programs disturb less than a second on the wall.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from agents.checkpoint import CheckpointStore, Manifest
from agents.durable import encode, sha256
from agents.networks import Network
from league import runs
from league.config import LeagueConfig, PlayersConfig
from league.errors import LeagueError
from league.learner import Learner
from league.process import Place, Process
from league.registration import register_players
from matchmaking.records import Kind, Player, Role, new_id
from matchmaking.server import EmbeddedServer
from matchmaking.store import Store

WARM_UP = 5.0  # seconds after the first iteration, which compiles
ROUNDS = 4  # the cases take turns, so that a machine that slows down slows all of them


class Case(BaseModel):
    """What is measured.

    Attributes:
        learners: main agents stacked in the process.
        lanes: opponents that each faces at the same time.
        environments: of all learners together, about: rounded to whole lanes.
        frozen: players registered before the start.
        seconds: of measurement.
        compiled: under `torch.compile`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learners: int = 1
    lanes: int = 32
    environments: int = 4096
    frozen: int = 32
    seconds: float = 10.0
    compiled: bool = True

    def config(self) -> LeagueConfig:
        """The configuration of the league that is measured: the yardstick's network, batch and precision."""
        size = max(1, round(self.environments / self.learners / self.lanes))
        role = {"min_steps": 1_000_000, "max_steps": 2_000_000}
        return LeagueConfig.model_validate(
            {
                "arena": "connect_four",
                "players": PlayersConfig(main_agent=self.learners, main_exploiter=0, league_exploiter=0),
                "network": {"hidden": [128, 128]},
                "ppo": {"minibatch": size * self.lanes, "shuffle": False, "epochs": 1},
                "rollout": {"lanes": self.lanes, "environments": size * self.lanes, "horizon": 16, "hold": 8},
                "roles": {"main_agent": role},
                "learners": {"compile": "on" if self.compiled else "off", "precision": "bf16"},
                "evaluation": {"anchors": []},
                "run": {"tensorboard": False},
            }
        )


class _Stopwatch(Process):
    """A learner's process that stops itself when enough was measured."""

    learner: Learner
    samples_per_cpu_second = samples_per_second = 0.0

    def __init__(self, place: Place, config: LeagueConfig, store: Store, seconds: float) -> None:
        super().__init__("learner", place, config, store)
        self._seconds = seconds
        self._begins: float | None = None
        self._start: tuple[float, float, int] | None = None

    def beat(self, status: str = "", numbers: Mapping[str, float] | None = None) -> None:
        super().beat(status, numbers)
        now = time.perf_counter()
        if self._begins is None:
            self._begins = now + WARM_UP
        if now < self._begins:
            return
        reading = (now, time.process_time(), sum(career.steps for career in self.learner.careers.values()))
        if self._start is None:
            self._start = reading
            return
        wall, cpu, samples = (end - start for end, start in zip(reading, self._start, strict=True))
        self.samples_per_second, self.samples_per_cpu_second = samples / wall, samples / cpu
        if wall >= self._seconds:
            self.stop()


@contextlib.contextmanager
def bench_run(config: LeagueConfig, frozen: int) -> Iterator[tuple[runs.RunFolder, EmbeddedServer, Store]]:
    """A run in a folder that goes away, with its server, its learners and `frozen` players for them to meet."""
    with tempfile.TemporaryDirectory(prefix="league-bench-") as folder:
        run = runs.create(Path(folder), config, "bench")
        server = EmbeddedServer(run.redis)
        server.start()
        try:
            store = Store.create(server.url, run.name, config.arena)
            register_players(store, config)
            register_frozen(store, run, config, frozen)
            yield run, server, store
            store.close()
        finally:
            server.stop()


def measure(case: Case) -> dict[str, float]:
    """Samples a second of CPU time and a second on the wall, in this process."""
    config = case.config()
    with bench_run(config, case.frozen) as (run, _, store):
        process = _Stopwatch(Place(run, 0), config, store, case.seconds)
        process.learner = Learner(process)
        process.learner.run()
    return {
        "samples_per_cpu_second": process.samples_per_cpu_second,
        "samples_per_second": process.samples_per_second,
    }


def register_frozen(store: Store, run: runs.RunFolder, config: LeagueConfig, count: int) -> None:
    """`count` frozen players of the first learner, each with weights and a checkpoint of its own."""
    parent = store.players()[0].id
    network = Network(config.network, (2, 6, 7), 7)
    generator = torch.Generator().manual_seed(1)
    weights = network.initial(generator)
    checkpoints = CheckpointStore(run.checkpoints)
    manifest = Manifest(
        arena=config.arena, observation_shape=(2, 6, 7), num_actions=7, network=config.network.model_dump(mode="json")
    )
    for number in range(count):
        row = weights + 0.01 * torch.randn(weights.shape, generator=generator)
        tensors = {name: view[0] for name, view in network.layout.views(row).items()}
        data = encode(tensors, manifest.model_dump_json())
        checkpoints.path(sha256(data)).write_bytes(data)  # not `save`, which waits for the disk each time
        store.register(
            Player(
                id=new_id("p"),
                name=f"pool.v{number}",
                kind=Kind.FROZEN,
                role=Role.MAIN_AGENT,
                parent=parent,
                checkpoint=sha256(data),
            )
        )


def bench_learner(yardstick: Path | None = None) -> dict[str, float]:
    """One learner beside the yardstick, then lanes, stacked learners and the size of the league.

    Args:
        yardstick: a script that prints `NNNk learner samples/cpu-s`, run with the same sizes on the same core.
    """
    cases = {
        "learner_32_lanes": Case(),
        "learner_128_lanes": Case(lanes=128),
        "three_stacked_learners": Case(learners=3, lanes=11),  # one learner's lanes and environments, shared out
        "three_stacked_learners_of_32_lanes": Case(learners=3),
        "learner_10_frozen": Case(frozen=10),
        "learner_10000_frozen": Case(frozen=10_000),
    }
    readings: dict[str, list[float]] = {name: [] for name in cases}
    peer: list[float] = []
    for _ in range(ROUNDS):
        if yardstick is not None:
            peer.append(_yardstick(yardstick))
        for name, case in cases.items():
            readings[name].append(_in_a_process(case)["samples_per_cpu_second"])
    pace = {name: statistics.median(values) for name, values in readings.items()}
    figures = {f"{name}_samples_per_cpu_second": value for name, value in pace.items()}
    figures["lanes_128_over_32_ratio"] = pace["learner_128_lanes"] / pace["learner_32_lanes"]
    figures["three_stacked_over_one_ratio"] = pace["three_stacked_learners"] / pace["learner_32_lanes"]
    figures["three_stacked_of_32_lanes_over_one_ratio"] = (
        pace["three_stacked_learners_of_32_lanes"] / pace["learner_32_lanes"]
    )
    figures["frozen_10000_over_10_ratio"] = pace["learner_10000_frozen"] / pace["learner_10_frozen"]
    if peer:
        figures["yardstick_samples_per_cpu_second"] = statistics.median(peer)
        figures["learner_over_yardstick_ratio"] = pace["learner_32_lanes"] / statistics.median(peer)
    return figures


def _core() -> int:
    return min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def _pinned(command: list[str]) -> str:
    """The output of a command that keeps to one core and one thread.

    Raises:
        LeagueError: it failed; the message has the end of what it said.
    """

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {_core()})

    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | one_thread, preexec_fn=pin, check=False
    )
    if done.returncode != 0:
        raise LeagueError(f"{' '.join(command[:3])} ... failed: {done.stderr[-2000:]}")
    return done.stdout


def _in_a_process(case: Case) -> dict[str, float]:
    output = _pinned([sys.executable, "-m", "league.bench_learner", case.model_dump_json()])
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def _yardstick(script: Path) -> float:
    """Learner samples a second of CPU time of the yardstick, with the sizes of `Case()`, compiled."""
    output = _pinned([sys.executable, str(script), "128", "1", "4096", "32", "4096", "1", "10"])
    found = re.search(r"(\d+)k learner samples/cpu-s", output)
    if found is None:
        raise LeagueError(f"{script} did not print its learner samples/cpu-s: {output[-500:]}")
    return 1000.0 * float(found[1])


if __name__ == "__main__":
    print(json.dumps(measure(Case.model_validate_json(sys.argv[1]))))
