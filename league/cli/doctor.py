"""`league doctor`: what could go wrong here."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from league.cli.options import AS_JSON, console, print_json, run_argument
from league.doctor import Grade, examine
from league.runs import find, list_runs, runs_root

STYLES = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.BAD: "bold red"}


@click.command()
@AS_JSON
@run_argument
@click.pass_context
def doctor(ctx: click.Context, run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Check this machine, and RUN (default: the newest, where there is one); exit code 1 where something is bad."""
    root = runs_root(runs_dir)
    folder = find(root, run) if run is not None or list_runs(root) else None
    findings = list(examine(root, folder))
    if as_json:
        print_json({"findings": [finding.model_dump(mode="json") for finding in findings]})
    else:
        table = Table("grade", "what", box=None, pad_edge=False, show_header=False)
        table.add_column("detail", overflow="fold")
        for finding in findings:
            detail = Text(finding.detail)
            if finding.mend:
                detail.append(f"\n-> {finding.mend}", style="bold")
            table.add_row(Text(finding.grade.value, style=STYLES[finding.grade]), finding.what, detail)
        console().print(table)
    ctx.exit(1 if any(finding.grade is Grade.BAD for finding in findings) else 0)
