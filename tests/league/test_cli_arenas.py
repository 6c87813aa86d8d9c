"""`league arenas show`: what it says of arenas whose agents are not alike."""

from __future__ import annotations

import json

from click.testing import CliRunner

from league.cli.arenas import arenas


def test_show_tells_what_teams_and_agents_differ_in() -> None:
    facts = json.loads(CliRunner().invoke(arenas, ["show", "tag", "--json"]).output)
    assert facts["roles"] == ["predators", "prey"]
    assert facts["teams"] == [[0, 1, 2], [3]]
    assert facts["observation_sizes"] == [16, 16, 16, 14]
    assert facts["global_shape"] == [62]
    assert facts["scripted_players"] == ["heuristic", "random"]
    facts = json.loads(CliRunner().invoke(arenas, ["show", "speaker_listener", "--json"]).output)
    assert (facts["action_counts"], facts["common_reward"]) == ([3, 5], True)
    facts = json.loads(CliRunner().invoke(arenas, ["show", "connect_four", "--json"]).output)
    assert (facts["roles"], facts["global_shape"], facts["common_reward"]) == ([], [], False)
