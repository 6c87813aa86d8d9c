"""When a learner that was interrupted goes on to the same bits, and when only as well as can be.

Bit for bit on the CPU, with one learner process, in an arena whose games are tensors, on the machine and with the
program that wrote the state: then what a kill took is trained again exactly as it was. See docs/decisions/0021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor

from agents.state_store import SavedState
from league.config import LeagueConfig
from league.errors import StateMismatchError
from league.training import Training
from matchmaking.population import Population
from matchmaking.records import Counters, Player

SCHEMA = 2
"""Version of a learner's saved state."""

_PRECISIONS = {"torch.float32": "fp32", "torch.bfloat16": "bf16"}


def machine(training: Training, config: LeagueConfig) -> dict[str, JsonValue]:
    """What the last bit of a result depends on beside the seed: program, processor, precision, threads."""
    return {
        "torch": torch.__version__,
        "processor": _processor(),
        "device": training.device.type,
        "precision": str(training.dtype),
        "compile": config.learners.compile,
        "threads": torch.get_num_threads(),
    }


def repeatable(training: Training, config: LeagueConfig) -> bool:
    """Whether the same seed gives the same bits here."""
    return training.device.type == "cpu" and training.arena.spec.pure and config.learners.processes == 1


def as_before(config: LeagueConfig, saved: SavedState | None) -> LeagueConfig:
    """The configuration with the precision that an earlier start has picked, where it is to be picked."""
    if saved is None or config.learners.precision != "auto":
        return config
    machine = saved.extra.get("machine")
    name = str(machine.get("precision")) if isinstance(machine, dict) else "unknown"
    if name not in _PRECISIONS:
        raise StateMismatchError(
            f"a learner's state was saved in the precision {name}, not in {' or '.join(_PRECISIONS)}"
        )
    learners = config.learners.model_copy(update={"precision": _PRECISIONS[name]})
    return config.model_copy(update={"learners": learners})


def check_copies(population: Population, player: Player, generation: int) -> None:
    """Raise ValueError where Redis does not hold exactly the frozen copies that a learner's saved state knows of."""
    frozen = [population.players[int(index)] for index in population.frozen_of(player.id)]
    registered = {int(copy.version) for copy in frozen if copy.version is not None}
    missing = (number for number in range(generation) if number not in registered)  # ends soon, whatever a file says
    unknown = sorted(number for number in registered if number >= generation)
    for number, where in ((next(missing, None), "not in Redis"), (next(iter(unknown), None), "in Redis")):
        if number is not None:
            name = f"{player.name}.v{number}"
            raise ValueError(
                f"the state that is saved knows {generation} frozen copies of {player.name}, and {name} is {where}; "
                "restore Redis and this file from one backup"
            )


def payoff_state(population: Population) -> tuple[dict[str, Tensor], dict[str, JsonValue]]:
    """The payoff rows that are kept here: float64 [4, n] each, and the ids of the n opponents, by player."""
    tensors, ids = dict[str, Tensor](), dict[str, JsonValue]()
    for player in population.hosted:
        opponents, counters = population.row(player)
        tensors[f"payoff.{player}"] = torch.from_numpy(counters)
        ids[player] = list[JsonValue](opponents)
    return tensors, ids


def load_payoff(population: Population, tensors: Mapping[str, Tensor], ids: Mapping[str, Sequence[str]]) -> None:
    """Put back what `payoff_state` gave."""
    for player, opponents in ids.items():
        columns = tensors[f"payoff.{player}"].T.tolist()
        row = {
            opponent: Counters(games=games, wins=wins, draws=draws, losses=losses)
            for opponent, (games, wins, draws, losses) in zip(opponents, columns, strict=True)
        }
        population.load_row(player, row)


def _processor() -> str:
    """The processor's name, where the system tells it, and the vector instructions that torch uses."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{name} {torch.backends.cpu.get_cpu_capability()}".strip()
