"""A run with submitted bots on a real Redis, and an evaluator on it in this process."""

from __future__ import annotations

from pathlib import Path

import arenas
from agents.bots.core import FailureRecord
from agents.bots.store import BotStore
from league.config import LeagueConfig
from league.evaluator import Evaluator
from league.process import Place, Process
from league.runs import RunFolder, create
from league.throttle import Throttle
from matchmaking.bot_records import BotRecord
from matchmaking.records import Kind, Pairing, Player, new_id
from matchmaking.service import Matchmaker
from matchmaking.store import Store

PAIRS = 2
MATCHES = 2 * PAIRS
ARENA = "tic_tac_toe"
FIRST = """
def act(observation, action_mask, clock):
    return int(action_mask.argmax())
"""
RAISES = """
def act(observation, action_mask, clock):
    if observation.sum() >= 2:
        raise RuntimeError("the centre was taken")
    return int(action_mask.argmax())
"""


class House:
    """A run with bots, and an evaluator on it in this process."""

    def __init__(self, root: Path, url: str, **settings: object) -> None:
        bots = {"isolation": "none", "pairs": PAIRS, "clocks": {"start": 20.0, "move": 20.0}, "suspend_after": 0}
        layers: dict[str, object] = {
            "arena": ARENA,
            "redis": url,
            "evaluation": {"pairs": PAIRS},
            "players": {"main_agent": 0, "main_exploiter": 0, "league_exploiter": 0},
            "bots": bots | settings,
        }
        config = LeagueConfig.model_validate(layers)
        self.root = root
        self.run: RunFolder = create(root / "runs", config, new_id("run"))
        self.store = Store.create(url, self.run.name, ARENA)
        self.process = Process("evaluator", Place(self.run, 0), config, self.store)
        self.arena = arenas.make(ARENA)
        self.evaluator = Evaluator(self.process, self.arena, Throttle(1.0))
        self.matchmaker = Matchmaker(self.store, pairs=PAIRS)
        self.random = self.store.register(Player(id="p_random", name="random", kind=Kind.SCRIPTED))

    def enter(self, name: str, source: str) -> Player:
        path = self.root / f"{name}.py"
        path.write_text(source)
        stored = BotStore(self.run.bots).add(path)
        player = Player(id=f"p_{name}", name=name, kind=Kind.BOT, version=stored.version)
        record = BotRecord(
            player=player.id, lineage=name, author="anna", language="python", entry=stored.entry, size=stored.size
        )
        assert self.store.bots.enter(player, record, supersedes=None, entered=self.store.bots.count())
        return player

    def play(self, a: Player, b: Player, number: int = 0) -> None:
        """Play a pairing of these two, and no newcomer's before it."""
        self.store.queue.enqueue([Pairing(id=f"m_{number}", a=a.id, b=b.id, pairs=PAIRS, seed=number)], first=True)
        self.evaluator._matchmaker._known = len(self.store.players())
        assert self.evaluator.play_next()

    def failures(self, bot: Player) -> list[FailureRecord]:
        return [FailureRecord.model_validate_json(text) for text in self.store.bots.failures(bot.id)]
