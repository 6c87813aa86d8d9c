"""The whole configuration of a run, and the four layers that it is resolved from.

Precedence: preset < file < environment (`LEAGUE_PPO__EPOCHS=4`) < flags (`--set ppo.epochs=4`). The resolved
configuration is written to the run folder as `league.toml` and loads back equal.

Nothing here imports torch: `league status` reads the configuration and has to answer at once.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agents.bots.core import Clocks, Isolation, Limits
from agents.settings import NetworkConfig, PPOConfig, RolloutConfig
from agents.teams.credit_settings import CreditConfig
from league.roles import RolesConfig
from matchmaking.records import Role

DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
LONGEST = 36_500 * SECONDS["d"]

Table = dict[str, Any]
"""A TOML table."""

KeptMoves = Literal["bots", "all", "none"]
"""Of which matches every move is kept: those where a bot takes part, all, or none."""


def parse_duration(text: str | float) -> float:
    """Seconds in `90`, `"90"`, `"90s"`, `"10m"`, `"1h30m"` or `"2d"`.

    Raises:
        ValueError: for anything else, and for nothing at all.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(text)
    else:
        compact = str(text).strip().lower().replace(" ", "")
        match = DURATION.fullmatch(f"{compact}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", compact) else compact)
        if match is None or not compact:
            raise ValueError("expected a duration such as 90s, 10m, 1h30m or a number of seconds")
        seconds = sum(float(number) * SECONDS[unit] for unit, number in match.groupdict().items() if number)
    if not seconds < LONGEST:
        raise ValueError(f"expected less than {LONGEST / SECONDS['d']:,.0f} days")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]


class Section(BaseModel):
    """Base of every section: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PlayersConfig(Section):
    """How many learners of each role the league trains; with none at all it is an arena for others.

    Attributes:
        main_agent: main agents.
        main_exploiter: main exploiters.
        league_exploiter: league exploiters.
    """

    main_agent: int = Field(default=1, ge=0, le=1024)
    main_exploiter: int = Field(default=1, ge=0, le=1024)
    league_exploiter: int = Field(default=1, ge=0, le=1024)

    def counts(self) -> dict[Role, int]:
        """Learners by role, roles without learners left out."""
        counts = {Role(name): number for name, number in self.model_dump().items()}
        return {role: number for role, number in counts.items() if number > 0}


class TeamConfig(Section):
    """A learner that is a team of several agents, or several alike.

    Attributes:
        algorithm: what trains it (`qmix`, `mappo`, ...; `agents.teams.registry.names()`).
        preset: the recipe that its settings begin from; the algorithm's first unless given.
        settings: what differs from the recipe: settings of the algorithm, as `league train --set` takes them.
        rewards: what it is rewarded with in training; outcomes and ratings are always by the arena's own.
        role: which opponents it meets, and when it freezes and resets.
        count: how many learners of this kind; 0 leaves it out.
        environments: episodes that it plays at once, an even number; as many as the settings name, or 16, unless given.
        temperature: of the softmax that it plays with against others, frozen copies included; 0 plays the best action.
            Outputs that are action values (`iql`, `vdn`, `qmix`) are no logits: leave it at 0 there.
    """

    algorithm: str
    preset: str | None = None
    settings: Table = {}
    rewards: CreditConfig = CreditConfig()
    role: Literal[Role.MAIN_AGENT, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER] = Role.MAIN_AGENT
    count: int = Field(default=1, ge=0, le=1024)
    environments: int | None = Field(default=None, gt=0, le=65_536, multiple_of=2)
    temperature: float = Field(default=0.0, ge=0)


class MatchmakingConfig(Section):
    """How opponents are chosen.

    Attributes:
        rule: name of the opponent-selection rule (`matchmaking.rules.names()`).
        options: what that rule takes.
        decay: factor on a pair's payoff counters before each new game (AlphaStar: 0.99).
    """

    rule: str = "alphastar"
    options: Table = {}
    decay: float = Field(default=0.99, gt=0, le=1)


class EvaluationConfig(Section):
    """Rated matches.

    Attributes:
        evaluators: processes that play rated matches.
        pairs: seat-swapped pairs of matches in one lease.
        temperature: of the policies' softmax in rated matches; 0 plays the most likely action.
        anchors: scripted players that are rated with the frozen ones; where nothing names them, those that
            `agents.scripted` recommends for the arena.
        lease_seconds: how long an evaluator may be silent before its pairing is handed out again.
        share: of one core that an evaluator takes while learners train; 1 is all of it.
        closing_seconds: the most that is spent at the end of a run on matches of its newest players.
        replays: of which matches every move is kept in `replays/`: those where a bot takes part, all, or none. What
            only players of ours played can be played again from its seed without it.
        replays_size: bytes that `replays/` may take; beyond it the oldest go. 0 keeps all.
    """

    evaluators: int = Field(default=1, ge=0, le=256)
    pairs: int = Field(default=16, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    anchors: tuple[str, ...] = ("random",)
    lease_seconds: Duration = 30.0
    share: float = Field(default=0.25, gt=0, le=1)
    closing_seconds: float = Field(default=20.0, ge=0)
    replays: KeptMoves = "bots"
    replays_size: int = Field(default=1024**3, ge=0)


class BotsConfig(Section):
    """Submitted bots.

    Attributes:
        isolation: how a bot's process is kept from everything else; `none` is for bots of one's own only.
        lanes: matches that a bot plays at once, each in a process of its own; it thinks about one move at a time.
        pairs: seat-swapped pairs of matches in one lease where a bot takes part.
        suspend_after: matches in a row that end by a bot's own failure before it gets no more; 0 never suspends.
        per_author: active bots that one author may have.
        max_size: bytes of a bot's files.
        clocks: how long a bot may take.
        limits: what one process of a bot may use.
        image: what a container is made from where isolation is `docker`; it is never pulled.
    """

    isolation: Isolation = Isolation.AUTO
    lanes: int = Field(default=4, ge=1, le=256)
    pairs: int = Field(default=4, ge=1)
    suspend_after: int = Field(default=5, ge=0)
    per_author: int = Field(default=3, ge=0)
    max_size: int = Field(default=20 * 1024**2, ge=1)
    clocks: Clocks = Clocks()
    limits: Limits = Limits()
    image: str = Field(default="league-bots", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")


class LearnersConfig(Section):
    """The learner processes.

    Attributes:
        processes: learner processes; the players are dealt out among them.
        device: `auto` takes a CUDA GPU where there is one.
        precision: of the compute; `auto` probes at the start and keeps what is faster. Master weights are fp32 always.
        compile: `torch.compile`; `auto` where it works.
        threads: torch threads a process.
    """

    processes: int = Field(default=1, ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    compile: Literal["auto", "off", "on"] = "off"
    threads: int = Field(default=1, ge=1, le=256)


class RunConfig(Section):
    """When the run ends by itself, and what it keeps; without limits it goes on until it is stopped.

    Attributes:
        duration: seconds of training, over all its resumptions.
        steps: learner samples of each player.
        tensorboard: also write TensorBoard curves (extra `track`).
        log_entries: the newest entries of each log that stay in Redis; from twice as many on, the oldest move into a
            file of the run folder, as many at a time. Take at least as many as two minutes bring.
    """

    duration: Duration | None = None
    steps: int | None = Field(default=None, gt=0)
    tensorboard: bool = True
    log_entries: int = Field(default=2000, ge=100)


TeamName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class LeagueConfig(Section):
    """Everything that a run is made from.

    Attributes:
        arena: the name that `arenas.make` takes.
        arena_options: the options that it takes beside the name.
        seed: of every random stream of the run.
        redis: URL of a Redis to use; None starts the embedded one.
        players: learners by role.
        teams: learners that are teams, by name; where there are any, the league trains these and no others.
        network: the policies' network.
        ppo: the algorithm's settings.
        rollout: the shape of a batch of experience.
        roles: when each role freezes and resets.
        matchmaking: how opponents are chosen.
        evaluation: rated matches.
        bots: submitted bots.
        learners: the learner processes.
        run: when the run ends.
    """

    arena: str = "connect_four"
    arena_options: Table = {}
    seed: int = Field(default=0, ge=0)
    redis: str | None = None
    players: PlayersConfig = PlayersConfig()
    teams: dict[TeamName, TeamConfig] = {}
    network: NetworkConfig = NetworkConfig.model_validate({})
    ppo: PPOConfig = PPOConfig.model_validate({})
    rollout: RolloutConfig = RolloutConfig.model_validate({})
    roles: RolesConfig = RolesConfig()
    matchmaking: MatchmakingConfig = MatchmakingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    bots: BotsConfig = BotsConfig()
    learners: LearnersConfig = LearnersConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _teams_are_the_players(self) -> Self:
        """Where there are teams, `players` says how many of each role; `--players none` leaves all of them out."""
        if not self.teams:
            return self
        counts = dict.fromkeys(PlayersConfig.model_fields, 0)
        for team in self.teams.values():
            counts[team.role.value] += team.count
        if "players" in self.model_fields_set and not self.players.counts():
            object.__setattr__(self, "teams", {})
        elif "players" in self.model_fields_set and self.players.model_dump() != counts:
            first = next(iter(self.teams))
            raise ValueError(
                f"the learners of this league stand in [teams]: say how many by teams.{first}.count, or leave them out "
                "with `--players none`"
            )
        else:
            object.__setattr__(self, "players", PlayersConfig(**counts))
        return self

    @property
    def trains(self) -> bool:
        """Whether there are learners; without them it is an arena for others."""
        return bool(self.players.counts())

    def learners_by_name(self) -> dict[str, Role]:
        """The role of every learner that is asked for, by its name, main agents first."""
        named: dict[str, Role] = {name: team.role for name, team in self.teams_by_name().items()}
        for role, number in ({} if self.teams else self.players.counts()).items():
            named |= {f"{role}-{index}": role for index in range(1, number + 1)}
        order = list(Role)
        return dict(sorted(named.items(), key=lambda item: order.index(item[1])))

    def teams_by_name(self) -> dict[str, TeamConfig]:
        """The teams in training by the names of their learners: numbered where there are several of a kind."""
        return {
            name if team.count == 1 else f"{name}-{number}": team
            for name, team in self.teams.items()
            for number in range(1, team.count + 1)
        }
