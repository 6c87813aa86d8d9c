"""What trains the players of one process, made from the configuration: policies of one shape, or teams."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

import arenas
from agents.checkpoint import CheckpointStore
from agents.compute import pick_compiler, pick_device, pick_precision
from agents.networks import Network
from agents.teams.versus import trained_roles
from arenas.core import Arena
from league.config import LeagueConfig
from league.errors import InputError
from league.settings import Layer, nest, team_settings
from league.team_trainer import HostedTeam, TeamPlan, TeamTrainer, part_name
from league.team_weights import OpponentTeams
from league.training import Trainer, Training, TrainingSetup
from league.weights import LiveWeights, OpponentWeights
from matchmaking import rules
from matchmaking.population import Population
from matchmaking.records import Player

ENVIRONMENTS = 16
"""Episodes of a team at once where neither its table nor its settings name a number."""

log = logging.getLogger("league")


def make_training(
    config: LeagueConfig,
    index: int,
    players: Sequence[Player],
    population: Population,
    checkpoints: CheckpointStore,
    live: LiveWeights,
) -> Training:
    """What trains the players of learner process `index`.

    Args:
        config: of the run.
        index: of the process.
        players: the hosted learners; the population hosts their payoff rows.
        population: the league.
        checkpoints: where frozen players are.
        live: where learners of other processes are.

    Raises:
        InputError: the configuration asks for what this machine or this arena does not have.
    """
    by_player = {player.id: rules.make(config.matchmaking.rule, **config.matchmaking.options) for player in players}
    if config.teams:
        arena, device = _arena_and_device(config)
        log.info("computes on %s", device)
        plans = team_plans(config)
        hosted = {player.id: plans[player.name] for player in players}
        teams = OpponentTeams(arena, checkpoints, live, population.player, device)
        seed = config.seed * 1000 + index
        try:
            return TeamTrainer(arena, hosted, by_player, population, teams, device, seed)
        except ValueError as error:
            raise InputError(str(error)) from error
    setup = training_setup(config, index)
    initial = setup.network.initial(torch.Generator().manual_seed(config.seed))[0]
    weights = OpponentWeights(setup.network, checkpoints, live, population.player, initial.to(setup.device))
    return Trainer(setup, list(by_player), by_player, initial.expand(len(players), -1), population, weights)


def team_plans(config: LeagueConfig) -> dict[str, TeamPlan]:
    """How each team of a league is trained, by the name of its learner."""
    plans: dict[str, TeamPlan] = {}
    for number, (name, team) in enumerate(config.teams_by_name().items()):
        table = nest(("teams", name), team.model_dump(mode="json"))
        settings = team_settings(team, [Layer("league.toml", table)], ("teams", name))
        environments = team.environments or dict(settings).get("environments", ENVIRONMENTS)
        plans[name] = TeamPlan(
            algorithm=team.algorithm,
            config=settings,
            environments=environments,
            lanes=config.rollout.lanes,
            temperature=team.temperature,
            seed=config.seed * 1000 + number,
            credit=team.rewards,
        )
    return plans


def check_teams(config: LeagueConfig, arena: Arena) -> None:
    """Make each of the teams once.

    Raises:
        InputError: the arena or its algorithm does not fit; the message says what would.
    """
    for name, plan in team_plans(config).items():
        who = f"teams.{name} ({plan.algorithm})"
        try:
            for role in trained_roles(arena.spec):
                who = f"teams.{part_name(name, arena, role)} ({plan.algorithm})"
                HostedTeam(arena, plan, torch.device("cpu"), role)
        except ValueError as error:
            raise InputError(f"{who}: {error}") from error


def training_setup(config: LeagueConfig, index: int = 0) -> TrainingSetup:
    """Arena, network, device and precision of a learner process; what was decided is said in the log.

    Raises:
        InputError: the configuration asks for what this machine or this arena does not have.
    """
    try:
        arena, device = _arena_and_device(config)
        network = Network(config.network, arena.spec.observation_shape, arena.spec.num_actions)
        batch = min(config.ppo.minibatch, config.rollout.environments * config.rollout.horizon)
        dtype = pick_precision(config.learners.precision, network, batch, device)
        compiler, how = pick_compiler(config.learners.compile, device)
    except ValueError as error:
        raise InputError(str(error)) from error
    log.info("computes on %s in %s, %s", device, str(dtype).removeprefix("torch."), how)
    return TrainingSetup(
        arena, network, config.rollout, config.ppo, device, dtype, compiler, seed=config.seed * 1000 + index
    )


def _arena_and_device(config: LeagueConfig) -> tuple[Arena, torch.device]:
    try:
        return arenas.make(config.arena, **config.arena_options), pick_device(config.learners.device)
    except ValueError as error:
        raise InputError(str(error)) from error
