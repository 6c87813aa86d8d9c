"""Scripted players other than alpha-beta: what they are known to do, and how they are made by name."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import torch

import arenas
from agents import scripted
from agents.core import Agent
from agents.scripted import registry
from agents.scripted.alpha_beta import AlphaBeta
from agents.scripted.choice import pick_by_probability, pick_uniformly
from agents.scripted.kuhn import KuhnEquilibrium
from agents.scripted.random import RandomPlayer
from agents.scripted.tic_tac_toe import best_moves
from arenas.core import ArenaSpec, Observation
from arenas.match import play_pairs

NATIVE_ARENAS = [
    "connect_four",
    "kuhn_poker",
    "leduc_poker",
    "rock_paper_scissors",
    "speaker_listener",
    "spread",
    "tag",
    "tic_tac_toe",
]


def spec(arena: str) -> ArenaSpec:
    return arenas.make(arena).spec


def outcomes(arena: str, a: str, b: str, pairs: int) -> str:
    made = arenas.make(arena)
    return play_pairs(made, scripted.make(a, made.spec), scripted.make(b, made.spec), pairs, seed=5).outcomes


def test_uniform_choice_is_uniform_over_what_is_allowed() -> None:
    allowed = torch.tensor([False, True, True, False, True]).expand(9000, 5)
    uniforms = torch.rand((9000, 5), generator=torch.Generator().manual_seed(0))
    uniforms[0] = 0.0  # a legal draw: even then only an allowed action is chosen
    counts = torch.bincount(pick_uniformly(allowed, uniforms), minlength=5)
    assert counts[[0, 3]].tolist() == [0, 0]
    assert ((counts[[1, 2, 4]] - 3000).abs() < 170).all()  # 4 standard deviations are 179


def test_choice_by_probability_follows_the_probabilities_and_never_takes_an_impossible_action() -> None:
    probabilities = torch.tensor([0.0, 0.5, 0.2, 0.3, 0.0])
    first = (torch.arange(10_000) + 0.5) / 10_000
    first[0], first[-1] = 0.0, 1 - 2**-24
    actions = pick_by_probability(probabilities.expand(10_000, -1), first[:, None].expand(-1, 5))
    assert torch.bincount(actions, minlength=5).tolist() == pytest.approx([0, 5000, 2000, 3000, 0], abs=1)
    assert torch.bincount(actions, minlength=5)[[0, 4]].tolist() == [0, 0]


@pytest.mark.parametrize("arena", NATIVE_ARENAS)
def test_random_plays_legal_moves_everywhere(arena: str) -> None:
    assert len(outcomes(arena, "random", "random", 200)) == 400  # play_pairs refuses an illegal action


def test_perfect_tic_tac_toe_never_loses_and_draws_against_itself() -> None:
    against_random = outcomes("tic_tac_toe", "perfect", "random", 500)
    assert against_random.count("l") == 0
    assert against_random.count("w") > 800
    assert set(outcomes("tic_tac_toe", "perfect", "perfect", 100)) == {"d"}


def test_perfect_tic_tac_toe_knows_all_its_moves() -> None:
    table = best_moves()
    assert table[0].all()  # every opening holds the draw
    assert int(table.any(dim=1).sum()) == 4520  # positions that come up and are not over
    centre_taken = 2 * 3**4
    assert table[centre_taken].nonzero()[:, 0].tolist() == [0, 2, 6, 8]  # only corners answer the centre


def test_hands_beat_each_other() -> None:
    assert set(outcomes("rock_paper_scissors", "rock", "scissors", 20)) == {"w"}
    assert set(outcomes("rock_paper_scissors", "paper", "rock", 20)) == {"w"}
    assert set(outcomes("rock_paper_scissors", "scissors", "paper", 20)) == {"w"}
    assert set(outcomes("rock_paper_scissors", "rock", "rock", 20)) == {"d"}


def test_a_mix_shows_its_hands_in_proportion() -> None:
    found = outcomes("rock_paper_scissors", "rps_mix:0.5,0.25,0.25", "paper", 2000)
    shares = [found.count(letter) / len(found) for letter in "ldw"]  # rock loses, paper draws, scissors win
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.035)  # 4 standard deviations


def test_kuhn_equilibrium_opens_with_the_jack_as_often_as_alpha_says() -> None:
    arena = arenas.make("kuhn_poker")
    state = arena.reset(torch.zeros(3, 2)) | {"cards": torch.tensor([[0, 1], [1, 2], [2, 0]])}
    player = scripted.make("kuhn_equilibrium:0.25", arena.spec)
    assert isinstance(player, KuhnEquilibrium)
    bets = player.probabilities(arena.observe(state).observation)[:, 1]
    assert bets.tolist() == pytest.approx([0.25, 0, 0.75])


@pytest.mark.parametrize("arena", NATIVE_ARENAS)
def test_every_anchor_can_be_made_and_plays(arena: str) -> None:
    found = scripted.anchors(arena)
    assert found[0] == "random"
    for text in found:
        assert scripted.is_scripted(text)
        assert set(outcomes(arena, text, "random", 2)) <= set("wdl")


def test_anchors_of_connect_four_and_an_unknown_arena() -> None:
    assert scripted.anchors("connect_four") == ("random", "alpha_beta:2", "alpha_beta:4")
    assert scripted.anchors("pettingzoo:classic/chess_v6") == ("random",)


def test_names_for_an_arena() -> None:
    assert scripted.names_for("tic_tac_toe") == ["perfect", "random"]
    assert scripted.names_for("connect_four") == ["alpha_beta:DEPTH (1 to 12)", "random"]
    assert scripted.is_scripted("alpha_beta")
    assert not scripted.is_scripted("main_agent")


def test_a_name_with_a_parameter_makes_that_player() -> None:
    player = scripted.make("alpha_beta:4", spec("connect_four"))
    assert isinstance(player, AlphaBeta)
    assert player.depth == 4


@pytest.mark.parametrize(
    ("text", "arena", "message"),
    [
        ("alphabeta:4", "connect_four", "no scripted player 'alphabeta': did you mean 'alpha_beta'.*connect_four"),
        ("xyz", "tic_tac_toe", "in tic_tac_toe there are perfect, random"),
        ("", "tic_tac_toe", "no scripted player ''"),
        ("perfect", "connect_four", "'perfect' plays tic_tac_toe, not connect_four; in connect_four there are"),
        ("alpha_beta:0", "connect_four", "whole number from 1 to 12, not '0'"),
        ("alpha_beta:13", "connect_four", "whole number from 1 to 12"),
        ("alpha_beta:four", "connect_four", "whole number from 1 to 12, not 'four'"),
        ("alpha_beta", "connect_four", "needs a parameter: alpha_beta:DEPTH"),
        ("random:3", "connect_four", "takes no parameter"),
        ("rps_mix:0.5,0.5", "rock_paper_scissors", "three numbers with commas"),
        ("rps_mix:0.5,0.5,0.5", "rock_paper_scissors", "of sum 1"),
        ("rps_mix:1.5,-0.5,0", "rock_paper_scissors", "three probabilities"),
        ("rps_mix:nan,0.5,0.5", "rock_paper_scissors", "of sum 1"),
        ("kuhn_equilibrium:0.5", "kuhn_poker", r"lie in \[0, 1/3\], not 0.5"),
        ("kuhn_equilibrium:nan", "kuhn_poker", r"lie in \[0, 1/3\]"),
        ("kuhn_equilibrium:a", "kuhn_poker", "a number from 0 to 1/3, not 'a'"),
    ],
)
def test_what_cannot_be_made_says_what_could(text: str, arena: str, message: str) -> None:
    with pytest.raises(scripted.ScriptedPlayerError, match=message):
        scripted.make(text, spec(arena))


def build_plugin(spec: ArenaSpec, parameter: str) -> Agent:
    return RandomPlayer(spec)


PLUGIN = scripted.ScriptedPlayer(build_plugin, arenas=("tic_tac_toe",), anchors=("careless",))
NOT_A_PLAYER = 7


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "league.scripted" else [])
    monkeypatch.setitem(sys.modules, "plugin_of_a_stranger", sys.modules[__name__])
    return points


def plugin(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"plugin_of_a_stranger:{attribute}", registry.GROUP)


def test_a_plugin_is_made_listed_and_an_anchor_of_its_arena(plugins: list[EntryPoint]) -> None:
    plugins.append(plugin("careless", "PLUGIN"))
    assert isinstance(scripted.make("careless", spec("tic_tac_toe")), RandomPlayer)
    assert scripted.names_for("tic_tac_toe") == ["careless", "perfect", "random"]
    assert scripted.anchors("tic_tac_toe") == ("random", "perfect", "careless")
    assert "careless" not in scripted.anchors("connect_four")
    assert scripted.is_scripted("careless")


def test_a_plugin_does_not_replace_a_player_of_ours(plugins: list[EntryPoint]) -> None:
    plugins.append(plugin("perfect", "PLUGIN"))
    assert not isinstance(scripted.make("perfect", spec("tic_tac_toe")), RandomPlayer)
    assert scripted.anchors("tic_tac_toe") == ("random", "perfect")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("missing", "cannot be loaded: AttributeError"), ("NOT_A_PLAYER", "gave a int.*agents.scripted.ScriptedPlayer")],
)
def test_a_broken_plugin_is_named(plugins: list[EntryPoint], attribute: str, message: str) -> None:
    plugins.append(plugin("broken", attribute))
    with pytest.raises(scripted.ScriptedPlayerError, match=f"'broken'.*{message}"):
        scripted.make("broken", spec("tic_tac_toe"))


def test_names_are_known_without_importing_torch() -> None:
    code = (
        "import sys; from agents import scripted; scripted.anchors('connect_four'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_observation_of_an_ended_match_is_harmless() -> None:
    """Rows that are not live have no legal action; every player still answers."""
    for arena in NATIVE_ARENAS:
        made = arenas.make(arena)
        blank = Observation(
            torch.zeros(2, *made.spec.observation_shape), torch.zeros(2, made.spec.num_actions, dtype=torch.bool)
        )
        nobody = torch.zeros(2, dtype=torch.bool)
        for text in scripted.anchors(arena):
            player = scripted.make(text, made.spec)
            player.begin(2, torch.device("cpu"))
            answer = player.act(blank, torch.zeros(2, made.spec.num_actions), nobody)
            assert answer.shape == (2,)
            assert answer.dtype == torch.int64
