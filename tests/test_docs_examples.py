"""The plug-in of the documentation, `docs/examples`, works, and the documentation shows it as it is."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import arenas
from agents import scripted
from arenas.check import check
from arenas.match import play_pairs
from matchmaking import rules
from matchmaking.population import Population
from matchmaking.records import Kind, Player, Role

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
FILES = ("nim_arena.py", "recent_rule.py", "nim_expert.py")
SHOWN = [
    *((file, "README.md") for file in FILES),
    ("nim_arena.py", "docs/writing-an-arena.md"),
    ("recent_rule.py", "docs/writing-an-opponent-rule.md"),
]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plug-in as pip installs it: its modules and its entry points, found on the path."""
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = tmp_path / "league_examples-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for file in FILES:
        sys.modules.pop(Path(file).stem, None)


@pytest.mark.parametrize(("file", "page"), SHOWN)
def test_the_documentation_shows_the_file_as_it_is(file: str, page: str) -> None:
    block = f"```python\n{(EXAMPLES / file).read_text(encoding='utf-8')}```"
    assert block in (ROOT / page).read_text(encoding="utf-8"), f"{page} shows another {file}"


def test_the_readme_shows_how_the_plugin_is_declared() -> None:
    text = (EXAMPLES / "pyproject.toml").read_text(encoding="utf-8")
    declared = text[text.index("[project.entry-points") : text.index("[tool.setuptools]")].strip()
    assert declared in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_arena_is_sound() -> None:
    assert "nim" in arenas.names()
    assert check(arenas.make("nim")) == []


def test_the_scripted_player_never_loses_from_the_first_seat() -> None:
    nim = arenas.make("nim")
    expert, dice = scripted.make("nim_expert", nim.spec), scripted.make("random", nim.spec)
    outcomes = play_pairs(nim, expert, dice, 200, seed=1).outcomes
    assert set(outcomes[0::2]) == {"w"}  # 21 is no multiple of four: who moves first can win
    assert outcomes[1::2].count("w") > 150
    assert scripted.anchors("nim") == ("random", "nim_expert")


def test_the_rule_chooses() -> None:
    learner = Player(id="p_0", name="main_agent-1", kind=Kind.LEARNER, role=Role.MAIN_AGENT)
    frozen = [
        Player(id=f"p_{number}", name=f"v{number}", kind=Kind.FROZEN, role=Role.MAIN_AGENT, parent="p_0")
        for number in range(1, 9)
    ]
    rule = rules.make("recent", newest=2, share=0.5)
    rng = np.random.default_rng(0)
    alone = Population([learner])
    alone.host("p_0")
    assert {choice.opponent for choice in rule.choose_many(alone, "p_0", rng, 10)} == {"p_0"}
    population = Population([learner, *frozen])
    population.host("p_0")
    chosen = [choice.opponent for choice in rule.choose_many(population, "p_0", rng, 1000)]
    assert set(chosen) == {"p_0", "p_7", "p_8"}
    assert 420 < chosen.count("p_0") < 580
    with pytest.raises(rules.RuleError, match="share between 0 and 1"):
        rules.make("recent", share=2.0)
