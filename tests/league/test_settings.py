"""Four layers of configuration, and messages that say what would be right."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from league.config import LeagueConfig, parse_duration
from league.errors import ConfigError
from league.settings import Layer, load, players_layer, preset, resolve, save, set_layer
from league.toml import dumps
from matchmaking.records import Role

ARENAS = ("connect_four", "kuhn_poker", "leduc_poker", "rock_paper_scissors", "soccer", "tag", "tic_tac_toe")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_higher_layer_wins(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.toml", "seed = 1\n[ppo]\nepochs = 2\n[rollout]\nhorizon = 7\nhold = 3\n")
    environment = {"LEAGUE_PPO__EPOCHS": "5", "LEAGUE_ROLLOUT__HORIZON": "8", "PATH": "/bin", "LEAGUE_RUNS": "/x"}
    flags = [set_layer("rollout.horizon=9")]
    config = resolve("connect_four", file=file, environment=environment, flags=flags)
    assert config.arena == "connect_four"
    assert config.seed == 1  # file over preset
    assert config.ppo.epochs == 5  # environment over file
    assert config.rollout.horizon == 9  # flag over environment
    assert config.rollout.hold == 3  # what nobody above names stays


@pytest.mark.parametrize("arena", ARENAS)
@pytest.mark.parametrize("gpu", [False, True])
def test_presets_are_valid_and_freeze_within_minutes(arena: str, gpu: bool) -> None:
    config = resolve(arena, environment={}, gpu=gpu)
    assert config.arena == arena
    assert config.roles.main_agent.max_steps < 1_000_000_000
    assert config.rollout.environments % config.rollout.lanes == 0
    assert config.evaluation.anchors[0]


def test_variations_of_a_preset_differ_and_leave_no_trace() -> None:
    laptop, gpu = preset("connect_four", "laptop"), preset("connect_four", "gpu")
    assert laptop != gpu
    assert "laptop" not in laptop
    assert "gpu" not in gpu


def test_foreign_arenas_take_the_default_preset() -> None:
    config = resolve("pettingzoo:classic/connect_four-v3", environment={})
    assert config.arena == "pettingzoo:classic/connect_four-v3"
    assert config.evaluation.anchors == ("random",)


@pytest.mark.parametrize("arena", ["x" * 300, "../presets/connect_four", "no\0name"])
def test_what_can_be_no_arena_takes_the_default_preset(arena: str) -> None:
    """It is refused by name later on; a look at the disk would fail on some of them."""
    assert preset(arena, "laptop") == preset("mine", "laptop") | {"arena": arena}


def test_an_arena_in_the_file_chooses_the_preset(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.toml", 'arena = "tic_tac_toe"\n')
    assert resolve(None, file=file, environment={}) == resolve("tic_tac_toe", environment={})


def test_a_partial_role_keeps_the_rest_of_its_rule() -> None:
    config = resolve("connect_four", environment={}, flags=[set_layer("roles.main_exploiter.min_steps=5")])
    assert config.roles.main_exploiter.min_steps == 5
    assert config.roles.main_exploiter.reset_probability == 1.0
    paper = resolve("connect_four", environment={}, flags=[set_layer("roles.preset=paper")])
    assert paper.roles.main_exploiter.min_games == 50  # the paper's, and the arena's own number of steps
    assert paper.roles.main_exploiter.max_steps == config.roles.main_exploiter.max_steps


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("ppo.epoch=3", "--set ppo.epoch=3: unknown key 'ppo.epoch'; did you mean 'epochs'?"),
        ("rollut.lanes=3", "--set rollut.lanes=3: unknown key 'rollut'; did you mean 'rollout'?"),
        ("ppo.epochs=0", "--set ppo.epochs=0: ppo.epochs = 0 is not valid: expected a number greater than 0"),
        (
            "learners.device=cdua",
            "--set learners.device=cdua: learners.device = 'cdua' is not valid; did you mean 'cuda'?",
        ),
        ("ppo=3", "--set ppo=3: ppo = 3 is not valid: expected a table"),
        ("network.trunk=cnv", "--set network.trunk=cnv: network.trunk = 'cnv' is not valid; did you mean 'conv'?"),
        (
            "run.duration=tenm",
            "--set run.duration=tenm: run.duration = 'tenm' is not valid: "
            "expected a duration such as 90s, 10m, 1h30m or a number of seconds",
        ),
        (
            "roles.main_agent.min_steps=99999999999",
            "--set roles.main_agent.min_steps=99999999999: roles.main_agent = ",
        ),
        ("ppo.epochs", "--set ppo.epochs: expected key.path=value, such as --set ppo.epochs=4"),
        ("=3", "--set =3: expected key.path=value, such as --set ppo.epochs=4"),
        ("ppo.epochs=" + "9" * 30, f"'{'9' * 30}': an integer has more than 64 bits"),
        (
            "ppo.learning_rate=inf",
            "--set ppo.learning_rate=inf: ppo.learning_rate = inf is not valid: expected a finite",
        ),
        ("run.duration=inf", "--set run.duration=inf: run.duration = inf is not valid: expected less than 36,500 days"),
        (f"run.duration='{'9' * 400}'", "--set run.duration='9999"),
        ("ppo.epochs=" + "[" * 3000, "--set ppo.epochs=[[[["),
    ],
)
def test_messages_name_source_key_value_and_what_would_be_right(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("connect_four", environment={}, flags=[set_layer(assignment)])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_messages_name_the_file_and_the_variable(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.toml", "[rollout]\nlane = 3\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key 'rollout\.lane'; did you mean 'lanes'\?"):
        resolve("connect_four", file=file, environment={})
    with pytest.raises(ConfigError, match=r"^environment variable LEAGUE_PPO__EPOCHS: ppo\.epochs = 'x' is not valid"):
        resolve("connect_four", environment={"LEAGUE_PPO__EPOCHS": "x"})
    with pytest.raises(ConfigError, match=r"^environment variable LEAGUE_PPO_EPOCHS: unknown key"):
        resolve("connect_four", environment={"LEAGUE_PPO_EPOCHS": "3"})


def test_a_file_that_is_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        resolve("connect_four", file=tmp_path / "none.toml", environment={})
    with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML: .*line 1"):
        resolve("connect_four", file=write(tmp_path / "bad.toml", "seed = = 1\n"), environment={})
    with pytest.raises(ConfigError, match=r"deep\.toml: not valid TOML: nested too deep"):
        resolve("connect_four", file=write(tmp_path / "deep.toml", f"seed = {'[' * 5000}\n"), environment={})
    with pytest.raises(ConfigError, match=r"/dev/zero: more than 4,194,304 bytes"):
        resolve("connect_four", file=Path("/dev/zero"), environment={})
    long = write(tmp_path / "long.toml", f"seed = '{'x' * 100_000}'\n")
    with pytest.raises(ConfigError) as caught:
        resolve("connect_four", file=long, environment={})
    assert len(str(caught.value)) < 600


def test_players_on_the_command_line() -> None:
    config = resolve("connect_four", environment={}, flags=[players_layer("main_agent=2, league_exploiter=1")])
    assert config.players.counts() == {Role.MAIN_AGENT: 2, Role.LEAGUE_EXPLOITER: 1}
    with pytest.raises(ConfigError, match=r"unknown role 'main_agnt'; did you mean 'main_agent'\?"):
        players_layer("main_agnt=1")
    for count in ("", "=", "=-1", "=" + "9" * 5000):
        with pytest.raises(ConfigError, match=r"'main_agent.*' is no role=count"):
            players_layer(f"main_agent{count}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), (12, 12), ("1.5h", 5400)],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10 parsecs", "-5m", "5m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_a_written_configuration_loads_back_equal(tmp_path: Path) -> None:
    flags = [set_layer("run.duration=10m"), set_layer("matchmaking.options={past = 0.3}"), set_layer("redis=redis://h")]
    config = resolve("kuhn_poker", environment={}, flags=flags, gpu=True)
    save(config, tmp_path / "league.toml")
    assert load(tmp_path / "league.toml") == config
    assert [path.name for path in tmp_path.iterdir()] == ["league.toml"]


def test_a_value_with_a_line_break_is_one_string_not_more_settings() -> None:
    layer = set_layer('evaluation.anchors=["random"]\nseed = 7')
    assert layer.table == {"evaluation": {"anchors": '["random"]\nseed = 7'}}


LETTERS = st.characters(exclude_categories=["Cs"])  # surrogates are no text
KEYS = st.text(LETTERS, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
TABLES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=4),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(TABLES)
def test_every_table_is_written_so_that_it_reads_back(table: dict[str, object]) -> None:
    assert tomllib.loads(dumps(table)) == table


def test_defaults_are_a_valid_configuration() -> None:
    assert LeagueConfig().arena == "connect_four"
    assert Layer("x", {}).table == {}
