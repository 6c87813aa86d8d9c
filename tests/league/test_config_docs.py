"""The reference in `docs/configuration.md` is that of the models."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from agents.settings import PPOConfig
from league.config import EvaluationConfig, LeagueConfig, TeamConfig
from league.config_docs import BEGIN, END, main, meanings, reference, updated
from league.roles import RolesConfig

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key that the configuration takes, the tables of the roles as one."""
    found = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if name == "teams":
            found += keys(TeamConfig, f"{prefix}teams.NAME.")
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += keys(annotation, f"{prefix}{'ROLE' if model is RolesConfig else name}.")
        else:
            found.append(prefix + name)
    return found


def test_the_page_says_what_the_models_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "run: python -m league.config_docs docs/configuration.md"


def test_every_key_has_a_row() -> None:
    text = reference()
    assert [key for key in keys(LeagueConfig) if f"| `{key}` |" not in text] == []


def test_rows_have_kind_default_and_meaning() -> None:
    text = reference()
    assert "| `run.duration` | duration | none | seconds of training, over all its resumptions. |" in text
    assert '| `learners.device` | `auto` or `cpu` or `cuda` | `"auto"` | `auto` takes a CUDA GPU where' in text
    assert "| `ppo.discount` | number, above 0, at most 1 | `1.0` | gamma. |" in text
    assert "| `teams.NAME.algorithm` | text | required | what trains it" in text
    assert "| `paper` | `league_exploiter` | `0` | `2_000_000_000` |" in text


def test_a_meaning_may_take_several_lines() -> None:
    assert meanings(PPOConfig)["clip"] == "epsilon of the surrogate's ratio."
    assert set(meanings(PPOConfig)) == set(PPOConfig.model_fields)
    assert meanings(EvaluationConfig)["anchors"].endswith("arena.")


def test_a_page_is_brought_up_to_date(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    main([str(page)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n### Top level\n") and text.endswith(f"{END}\nafter\n")
    with pytest.raises(ValueError, match="no <!-- reference:begin -->"):
        updated("no marks")
