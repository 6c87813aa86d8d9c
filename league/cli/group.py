"""The group of commands: a command is imported when it is called, an error becomes one line and an exit code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from league.errors import INTERRUPTED
from league.telling import for_people, out_of_memory, told
from matchmaking.spelling import did_you_mean

CommandTable = Mapping[str, tuple[str, str]]
"""For each command where it is (`module:attribute`) and its line in the help."""


class LeagueGroup(click.Group):
    """A group whose commands are imported when they are called.

    Args:
        table: the commands.
    """

    def __init__(self, *args: Any, table: CommandTable | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._table) or super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._table[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's own lines: the help imports no command."""
        if not self._table:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            names = self.list_commands(ctx)
            hint = did_you_mean(name, names, f"there are {', '.join(names)}")
            raise click.UsageError(f"no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # `league players | head`: click ends quietly
            raise
        except for_people() as error:
            _end(ctx, error)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            _end(ctx, error)


def _end(ctx: click.Context, error: BaseException) -> NoReturn:
    message, code = told(error)
    click.echo(f"Error: {message}", err=True)
    ctx.exit(code)
