"""`docs/command-line.md` and the README know every command, and the page every option of it."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from league.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
OF_ALL = {"--help", "--json", "--run", "--runs-dir", "--output"}
"""Options that the page explains once for all commands; --output is shown as -o."""


def options(command: click.Command, context: click.Context) -> set[str]:
    """The longest name of each option of a command and of its subcommands."""
    found = {max(each.opts, key=len) for each in command.params if isinstance(each, click.Option)}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found |= options(below, context)
    return found


def section(name: str) -> str:
    """The part of the page under the heading that names a command."""
    parts = [part for part in PAGE.split("\n### ") if f"league {name}" in part.partition("\n")[0]]
    assert parts, f"docs/command-line.md has no heading with `league {name}`"
    return parts[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None
    text = section(name)
    assert sorted(option for option in options(command, context) - OF_ALL if option not in text) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_lists_every_command(name: str) -> None:
    table = README[README.index("## Commands") : README.index("## What is not there yet")]
    assert f"league {name}" in table or f"`{name}`" in table or f"`{name} " in table
