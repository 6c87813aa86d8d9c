"""Settings from files, options and variables, and names with parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from league import settings
from league.config import parse_duration
from league.errors import LeagueError
from tests.fuzz.core import Door
from tests.fuzz.mutate import raw, toml_text, words

OWN = b"""
arena = "tic_tac_toe"
seed = 3
[players]
main_agent = 1
[ppo]
epochs = 2
learning_rate = 0.001
[rollout]
lanes = 8
[evaluation]
anchors = ["random", "perfect"]
pairs = 4
[bots]
isolation = "auto"
[bots.clocks]
move = 1.0
[teams.reds]
algorithm = "qmix"
preset = "epymarl"
[teams.reds.settings]
learning_rate = 0.0005
"""


@contextmanager
def league_file(scratch: Path) -> Iterator[Door]:
    path = scratch / "mine.toml"

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        settings.resolve(file=path, environment={})

    yield Door([OWN], toml_text, (LeagueError,), enter)


@contextmanager
def saved_file(scratch: Path) -> Iterator[Door]:
    path = scratch / "league.toml"
    samples = []
    for arena in ("tic_tac_toe", "spread"):
        settings.save(settings.resolve(arena, environment={}), path)
        samples.append(path.read_bytes())

    def enter(data: bytes) -> None:
        path.write_bytes(data)
        config = settings.load(path)
        settings.save(config, path)
        again = settings.load(path)
        if again != config and "nan" not in str(config):
            raise AssertionError("what is saved is not what is loaded")

    yield Door(samples, toml_text, (LeagueError,), enter)


@contextmanager
def set_option(scratch: Path) -> Iterator[Door]:
    samples = (
        b"ppo.epochs=4", b"evaluation.anchors=['alpha_beta:2']", b"arena_options={players = 2}", b"bots.isolation=auto",
        b"bots.clocks.move=0.5", b"learners.device=cuda", b"run.duration=10m", b"redis=redis://user:pass@host:6379/0",
        b"teams.reds.settings.learning_rate=0.1", b"network.hidden=[64, 64]", b"matchmaking.rule=alphastar",
    )  # fmt: skip

    def enter(data: bytes) -> None:
        layer = settings.set_layer(data.decode("utf-8", "surrogateescape"))
        settings.resolve("tic_tac_toe", environment={}, flags=[layer])

    yield Door(samples, raw, (LeagueError,), enter)


@contextmanager
def players_and_duration(scratch: Path) -> Iterator[Door]:
    samples = (b"main_agent=1,main_exploiter=2", b"none", b"10m", b"1h30m", b"90", b"2.5h", b"league_exploiter=0")

    def enter(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        refused = 0
        for parse in (settings.players_layer, parse_duration):
            try:
                parse(text)
            except (LeagueError, ValueError) as error:
                refused += 1
                last = error
        if refused == 2:
            raise last

    yield Door(samples, raw, (LeagueError, ValueError), enter)


@contextmanager
def environment(scratch: Path) -> Iterator[Door]:
    samples = (b"LEAGUE_PPO__EPOCHS\x003", b"LEAGUE_SEED\x0012", b"LEAGUE_BOTS__CLOCKS__MOVE\x000.5")

    def enter(data: bytes) -> None:
        name, _, value = data.decode("utf-8", "surrogateescape").partition("\0")
        settings.resolve("tic_tac_toe", environment={name: value.replace("\0", "")})

    yield Door(samples, words, (LeagueError,), enter)
