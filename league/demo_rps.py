"""Rock-paper-scissors trained under three opponent rules: why a league keeps its past.

Naive self-play answers nothing but its own present, so that rock gives way to paper, paper to scissors, scissors to
rock, without end. A learner that answers a mixture of its frozen past cannot be led around: fictitious play's mean of
the past converges in every two-player zero-sum game (Robinson, "An iterative method of solving a game", 1951; Heinrich
et al., ICML 2015, for learned answers). What settles is in the first place that mixture; the present policy may still
turn, in small circles. The Nash mixture of a league's pool is a weaker witness: it is exactly (1/3, 1/3, 1/3) once the
pool surrounds that point, so the league's present policy is shown beside it.

Everything is the league's own: trainer, rules, payoff, roles with their freezes and resets; only Redis and the files
are left out. The policy is read from the network, not estimated from games.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

import arenas
from agents.compute import pick_compiler
from agents.networks import Network
from agents.settings import NetworkConfig, PPOConfig, RolloutConfig
from league.figures import LineChart, Series, Sheet, Simplex, Trace
from league.roles import RolesConfig, should_freeze, should_reset
from league.training import Trainer, TrainingSetup
from matchmaking import rules
from matchmaking.nash import nash_weights
from matchmaking.pfsp import Floats
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role

MAIN = "main_agent-1"
HANDS = ("rock", "paper", "scissors")
PAYOFF = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
"""PAYOFF[i, j]: what hand i wins of hand j."""

ITERATIONS = 600
RECORD_EVERY = 2  # iterations between points of the curves
FREEZE_EVERY = 10  # iterations between freezes of each learner
START_LOGIT = 2.0  # of rock in the first policy, which shows it 8 times in 10: it has some way to go
DOMINANT = 0.5  # probability above which a hand counts towards a cycle

# The same for all cases. The policy is three logits. Advantages are normalised to a deviation of 1, so that without a
# strong entropy bonus every case ends in a corner, from where no sample shows the way out. With it, and with steps this
# long, Adam's momentum carries naive self-play out of the middle faster than entropy pulls it back, while the answer to
# a mixture of many players, which hardly moves, is led in. Found by a sweep over idealised updates: learning rates of
# 0.05 to 0.08 with entropies of 0.5 to 0.7 show it.
NETWORK = NetworkConfig(hidden=())
ROLLOUT = RolloutConfig(lanes=32, environments=512, horizon=2, hold=1)
PPO_CONFIG = PPOConfig(learning_rate=0.06, entropy=0.6, adam_epsilon=0.02, max_gradient_norm=10.0, minibatch=1024)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to choose opponents.

    Attributes:
        name: for people.
        rule: the opponent rule's name in `matchmaking.rules`.
        roles: the learners that are trained together; the first is the one that is watched.
        mixture: what the pool stands for; None where there is nothing but the present policy.
        mixture_of: gives the weights of the frozen policies [n, 3] in that mixture.
    """

    name: str
    rule: str
    roles: tuple[Role, ...]
    mixture: str | None
    mixture_of: Callable[[Floats], Floats] | None


def uniform_weights(policies: Floats) -> Floats:
    """[n] equal weights, as fictitious play draws its opponents."""
    return np.full(len(policies), 1.0 / len(policies))


def nash_of_pool(policies: Floats) -> Floats:
    """[n] the Nash weights of frozen policies [n, 3] in the exact game among them."""
    return nash_weights(policies @ PAYOFF @ policies.T)


CASES = (
    Case("naive self-play", "naive", (Role.MAIN_AGENT,), None, None),
    Case("fictitious self-play", "fictitious", (Role.MAIN_AGENT,), "mean of the pool", uniform_weights),
    Case(
        "league (AlphaStar)",
        "alphastar",
        (Role.MAIN_AGENT, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER),
        "Nash mix of the pool",
        nash_of_pool,
    ),
)


@dataclass(frozen=True, slots=True)
class Track:
    """What became of one case.

    Attributes:
        case: how opponents were chosen.
        iterations: [n] when the points were taken.
        policy: [n, 3] the main agent's present policy.
        mixture: [n, 3] the mixture of the pool; None for naive self-play.
        frozen: players in the pool at the end.
    """

    case: Case
    iterations: list[int]
    policy: Floats
    mixture: Floats | None
    frozen: int

    @property
    def shown(self) -> Floats:
        """[n, 3] what is claimed to cycle or to settle: the mixture where there is one, else the policy."""
        return self.policy if self.mixture is None else self.mixture


class _League:
    """The learners of a case, trained in this process, and the players frozen from them."""

    def __init__(self, case: Case, seed: int) -> None:
        arena = arenas.make("rock_paper_scissors")
        device = torch.device("cpu")
        network = Network(NETWORK, arena.spec.observation_shape, arena.spec.num_actions)
        compiler, _ = pick_compiler("off", device)
        setup = TrainingSetup(arena, network, ROLLOUT, PPO_CONFIG, device, torch.float32, compiler, seed)
        self.initial = network.initial(torch.Generator().manual_seed(seed))
        network.layout.views(self.initial)["head.bias"][..., 0] = START_LOGIT
        self.players = [Player(id=f"{role}-1", name=f"{role}-1", kind=Kind.LEARNER, role=role) for role in case.roles]
        self.population = Population(self.players)
        for player in self.players:
            self.population.host(player.id)
        self.weights: dict[str, Tensor] = {}  # of frozen players
        self.policies: list[Floats] = []  # theirs, in the order of freezing
        self.trainer = Trainer(
            setup,
            [player.id for player in self.players],
            {player.id: rules.make(case.rule) for player in self.players},
            self.initial.expand(len(self.players), -1),
            self.population,
            self.weights.__getitem__,
        )
        steps = FREEZE_EVERY * ROLLOUT.environments * ROLLOUT.horizon
        every = {"min_steps": steps, "max_steps": steps}
        self.roles = RolesConfig.model_validate({role.value: every for role in Role})
        self.since_freeze = dict.fromkeys(self.trainer.players, 0)
        self.chance = np.random.default_rng([seed, 1])
        self.freeze(self.players[0])  # the pool is never empty

    def iterate(self) -> None:
        """Train once and apply the roles' rules, as a learner process does."""
        done = self.trainer.iterate()
        for row in done.counts:
            self.population.record(row.player, row.opponent, row.wins, row.draws, row.losses)
        for player in self.players:
            self.since_freeze[player.id] += done.samples[player.id]
            assert player.role is not None
            if should_freeze(self.population, player.id, player.role, self.since_freeze[player.id], self.roles):
                self.freeze(player)
                if should_reset(player.role, self.chance, self.roles):
                    self.trainer.restart(player.id, self.initial[0])

    def freeze(self, player: Player) -> None:
        """Copy a learner into the pool."""
        version = len(self.population.frozen_of(player.id))
        name = f"{player.name}.v{version}"
        self.weights[name] = self.trainer.ppo.snapshot(self.trainer.players.index(player.id))
        self.policies.append(self.policy(self.weights[name]))
        self.since_freeze[player.id] = 0
        self.population.add(
            Player(id=name, name=name, kind=Kind.FROZEN, role=player.role, parent=player.id, version=str(version))
        )

    def policy(self, weights: Tensor) -> Floats:
        """[3] the probabilities of rock, paper and scissors under weights [D]."""
        arena, network = self.trainer.setup.arena, self.trainer.setup.network
        seen = arena.observe(arena.reset(torch.zeros(1, 0)), agent=0).observation
        output = network.apply(network.layout.views(weights.unsqueeze(0)), seen.unsqueeze(0))
        probabilities: Floats = output.logits[0, 0].double().softmax(-1).numpy()
        return probabilities


def train(case: Case, iterations: int = ITERATIONS, seed: int = 0) -> Track:
    """Train the learners of a case from a policy that mostly shows rock."""
    league = _League(case, seed)
    taken: list[int] = []
    policies: list[Floats] = []
    mixtures: list[Floats] = []
    mixture, of = np.empty(3), 0
    for iteration in range(iterations + 1):
        if iteration > 0:
            league.iterate()
        if iteration % RECORD_EVERY and iteration != iterations:
            continue
        taken.append(iteration)
        policies.append(league.policy(league.trainer.ppo.snapshot(0)))
        if case.mixture_of is not None:
            if len(league.policies) > of:
                pool = np.stack(league.policies)
                mixture, of = case.mixture_of(pool) @ pool, len(pool)
            mixtures.append(mixture)
    return Track(case, taken, np.stack(policies), np.stack(mixtures) if mixtures else None, len(league.policies))


def distance(policies: Floats) -> Floats:
    """Total variation distance from (1/3, 1/3, 1/3) of policies [..., 3]: half the sum of the differences, 0 to 2/3."""
    result: Floats = 0.5 * np.abs(policies - 1 / 3).sum(-1)
    return result


def swing(policies: Floats) -> float:
    """The widest range of any hand's probability in the second half of [n, 3]."""
    return float(np.ptp(policies[len(policies) // 2 :], axis=0).max())


def cycles(policies: Floats) -> int:
    """How often [n, 3] went through rock, paper and scissors in this order, each above one half in its time."""
    leaders = [int(row.argmax()) for row in policies if row.max() > DOMINANT]
    turns = sum((after - before + 1) % 3 - 1 for before, after in pairwise(leaders))
    return max(0, turns) // 3


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the table.

    Attributes:
        rule: name of the case.
        quantity: what is measured: the present policy, or a mixture.
        distance: from (1/3, 1/3, 1/3) at the end, in total variation.
        swing: see `swing`.
        cycles: see `cycles`.
    """

    rule: str
    quantity: str
    distance: float
    swing: float
    cycles: int


POLICY = "present policy"


def summaries(tracks: Sequence[Track]) -> list[Summary]:
    """For each case what its present policy did, then what its mixture did."""
    rows = []
    for track in tracks:
        shown = [(POLICY, track.policy)]
        if track.case.mixture is not None and track.mixture is not None:
            shown.append((track.case.mixture, track.mixture))
        rows += [
            Summary(track.case.name, quantity, float(distance(path[-1])), swing(path), cycles(path))
            for quantity, path in shown
        ]
    return rows


def sheet(tracks: Sequence[Track]) -> Sheet:
    """The cases side by side: paths in the triangle of mixed strategies, the policy and the distances over time."""
    return Sheet(
        "Rock-paper-scissors: naive self-play cycles, a pool of frozen players settles",
        "Paths grow darker with training; + is (1/3, 1/3, 1/3), the only equilibrium. "
        "Distances are total variation from it. The pool is all players frozen so far.",
        tuple((_triangle(track), (_policy(track), _distances(track))) for track in tracks),
    )


def _triangle(track: Track) -> Simplex:
    if track.case.mixture is None or track.mixture is None:
        return Simplex(track.case.name, HANDS, (Trace(POLICY, _points(track.policy)),))
    traces = (Trace(POLICY, _points(track.policy), faint=True), Trace(track.case.mixture, _points(track.mixture)))
    return Simplex(track.case.name, HANDS, traces)


def _policy(track: Track) -> LineChart:
    lines = [_curve(hand, track, column) for hand, column in zip(HANDS, track.policy.T, strict=True)]
    level = Series("1/3", ((0.0, 1 / 3),), level=True)
    title = f"{track.case.name}: {POLICY}"
    return LineChart(title, "iterations", "probability", (*lines, level), y_range=(0.0, 1.1))


def _distances(track: Track) -> LineChart:
    lines = [_curve(POLICY, track, distance(track.policy))]
    if track.case.mixture is not None and track.mixture is not None:
        lines.append(_curve(track.case.mixture, track, distance(track.mixture)))
    title = f"{track.case.name}: distance from (1/3, 1/3, 1/3)"
    return LineChart(title, "iterations", "distance", tuple(lines), y_range=(0.0, 0.75))


def _curve(name: str, track: Track, values: Floats) -> Series:
    return Series(name, tuple(zip(map(float, track.iterations), values.tolist(), strict=True)))


def _points(path: Floats) -> tuple[tuple[float, float, float], ...]:
    return tuple((rock, paper, scissors) for rock, paper, scissors in path.tolist())
