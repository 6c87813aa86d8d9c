"""`league arenas list | show | check`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from arenas import registry
from league.cli.group import LeagueGroup
from league.cli.options import AS_JSON, console, print_json, whole


@click.group(cls=LeagueGroup)
def arenas() -> None:
    """List, show and check arenas."""


@arenas.command("list")
@AS_JSON
def list_arenas(as_json: bool) -> None:
    """List the native arenas and the installed plug-ins."""
    rows = [{"name": name, "description": registry.describe(name)} for name in registry.names()]
    examples = [f"{prefix}:{example}" for prefix, (_, _, example) in registry.ADAPTERS.items()]
    if as_json:
        print_json({"arenas": rows, "foreign": examples})
        return
    table = Table("arena", "description", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["description"])
    console().print(table)
    click.echo(f"\nand any foreign game by its name, such as {' or '.join(examples)}")


@arenas.command()
@click.argument("name")
@AS_JSON
def show(name: str, as_json: bool) -> None:
    """Show what can be known of the arena NAME without playing it."""
    from arenas.core import Turns

    arena = registry.make(name)
    spec = arena.spec
    arena.close()
    facts = {
        "name": spec.name,
        "description": spec.description,
        "agents": list(spec.agents),
        "teams": [list(team) for team in spec.teams],
        "roles": list(spec.roles),
        "common_reward": spec.common_reward,
        "observation_shape": list(spec.observation_shape),
        "observation_sizes": list(spec.observation_sizes),
        "global_shape": list(spec.global_shape) if spec.turns is Turns.SIMULTANEOUS else [],
        "num_actions": spec.num_actions,
        "action_counts": list(spec.action_counts),
        "turns": spec.turns.value,
        "max_steps": spec.max_steps,
        "truncates": spec.truncates,
        "pure": spec.pure,
        "symmetries": len(spec.symmetries),
        "scripted_players": _scripted(spec.name),
    }
    if as_json:
        print_json(facts)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
    console().print(table)


@arenas.command(short_help="Look for defects of the arena NAME by random play.")
@click.argument("name")
@click.option("--episodes", type=whole(2, 100_000), help="Random episodes that are played at once (default: 64).")
@click.option("--seed", type=whole(0), default=0, show_default=True, help="Seed of the random play.")
@AS_JSON
@click.pass_context
def check(ctx: click.Context, name: str, episodes: int | None, seed: int, as_json: bool) -> None:
    """Look for defects of the arena NAME by random play; exit code 1 where there are any."""
    from arenas.check import EPISODES
    from arenas.check import check as check_arena

    arena = registry.make(name)
    try:
        findings = check_arena(arena, episodes or EPISODES, seed)
    finally:
        arena.close()
    if as_json:
        print_json({"arena": name, "findings": [asdict(finding) for finding in findings]})
    elif findings:
        for finding in findings:
            click.echo(str(finding))
    else:
        click.echo(f"{name}: no defect found in {episodes or EPISODES} random episodes")
    ctx.exit(1 if findings else 0)


def _scripted(arena: str) -> list[str]:
    from agents.scripted.registry import names_for

    return names_for(arena)
