"""Commands that start, show and end runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NoReturn

import click
from rich.table import Table

from league import api
from league.access import opened
from league.cli.options import AS_JSON, RUNS_DIR, console, find_run, print_json, run_argument, whole
from league.clock import training_time
from league.lock import held
from league.runs import list_runs, runs_root
from league.snapshot import SnapshotReader
from league.text import duration as duration_text
from league.watch import make_reporter, render

WATCH_EVERY = 1.0  # seconds


@click.command()
@click.argument("arena", required=False)
@click.option("--name", help="Name of the run (default: made up from arena and time).")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file of settings.")
@click.option("--for", "duration", metavar="TIME", help="How long to train: 90s, 10m, 2h (default: until stopped).")
@click.option("--steps", type=whole(), help="End after so many learner samples of each player.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute (default: auto).")
@click.option(
    "--players",
    metavar="ROLE=N,...",
    help="Learners by role, such as main_agent=1,main_exploiter=1; none for an arena without.",
)
@click.option("--redis", metavar="URL", help="A Redis to use instead of the embedded one.")
@click.option("--seed", type=whole(0), help="Seed of every random stream (default: 0).")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Any setting, such as ppo.epochs=4; may be repeated."
)
@click.option("--fresh", is_flag=True, help="Delete a run of this name first.")
@RUNS_DIR
@click.pass_context
def start(
    ctx: click.Context,
    arena: str | None,
    name: str | None,
    config: Path | None,
    duration: str | None,
    steps: int | None,
    device: str | None,
    players: str | None,
    redis: str | None,
    seed: int | None,
    settings: tuple[str, ...],
    fresh: bool,
    runs_dir: Path | None,
) -> None:
    """Start a league on ARENA (default: connect_four) and watch it train, or with --players none an arena for bots.

    Settings come from the arena's preset, then --config, then the environment (LEAGUE_PPO__EPOCHS=4), then these
    options; what came out is in the run's league.toml. Ctrl-C stops the run, `league resume` goes on with it.
    """
    reporter = make_reporter(console())
    try:
        finished = api.start(
            arena,
            name=name,
            config=config,
            duration=duration,
            steps=steps,
            device=device,
            players=players,
            redis=redis,
            seed=seed,
            settings=settings,
            fresh=fresh,
            runs_dir=runs_dir,
            reporter=reporter,
        )
    finally:
        reporter.close()
    _end(ctx, finished)


@click.command()
@click.option(
    "--for", "duration", metavar="TIME", help="How much longer to train (default: up to the limit of before)."
)
@click.option("--steps", type=whole(), help="A new limit of learner samples of each player.")
@run_argument
@click.pass_context
def resume(ctx: click.Context, run: str | None, runs_dir: Path | None, duration: str | None, steps: int | None) -> None:
    """Go on with RUN (default: the newest): same players, payoff, ratings and steps."""
    reporter = make_reporter(console())
    try:
        finished = api.resume(run, duration=duration, steps=steps, runs_dir=runs_dir, reporter=reporter)
    finally:
        reporter.close()
    _end(ctx, finished)


def _end(ctx: click.Context, finished: api.Finished) -> NoReturn:
    """Show who is best, and leave with the run's exit code."""
    from league.cli.players import print_leaderboard  # it brings numpy, which `league status` does without

    if finished.closed:
        click.echo()
        with opened(finished.run) as matchmaker:
            print_leaderboard(matchmaker, finished.run)
    ctx.exit(finished.exit_code)


@click.command()
@run_argument
def stop(run: str | None, runs_dir: Path | None) -> None:
    """Stop RUN (default: the newest) and wait until everything is saved."""
    folder = api.stop(run, runs_dir=runs_dir)
    click.echo(f"run {folder.name} is stopped; `league resume {folder.name}` goes on with it")


@click.command()
@AS_JSON
@run_argument
def status(run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show once how RUN (default: the newest) stands."""
    snapshot = api.status(run, runs_dir=runs_dir)
    if as_json:
        print_json(snapshot.model_dump(mode="json"))
        return
    out = console()
    out.print(render(snapshot, out.width))


@click.command()
@AS_JSON
@run_argument
def watch(run: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show how RUN (default: the newest) stands until it ends; with --json one line a second."""
    folder = find_run(run, runs_dir)
    config = folder.config()
    with opened(folder, config) as matchmaker:
        reader = SnapshotReader(matchmaker)
        reporter = None if as_json else make_reporter(console())
        try:
            alive = True
            while alive:
                alive = held(folder)
                elapsed, left = training_time(matchmaker.store, config.run.duration)
                snapshot = reader.read(state="running" if alive else "stopped", elapsed=elapsed, time_left=left)
                if reporter is None:
                    click.echo(snapshot.model_dump_json())
                else:
                    reporter.update(snapshot)
                if alive:
                    time.sleep(WATCH_EVERY)
        finally:
            if reporter is not None:
                reporter.close()


@click.command()
@click.option("--check", is_flag=True, help="Only compare; exit code 1 where something differs.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Where Redis has lost something: cut off what cannot be read of its file, and go on with what is left.",
)
@AS_JSON
@run_argument
@click.pass_context
def rebuild(
    ctx: click.Context, run: str | None, runs_dir: Path | None, check: bool, accept_loss: bool, as_json: bool
) -> None:
    """Compute payoff and ratings of RUN (default: the newest) again from the logs, bit-equal."""
    from league.appendonly import accept
    from matchmaking.rebuild import rebuild as rebuild_store

    if check and accept_loss:
        raise click.UsageError("--check changes nothing: leave either it or --accept-loss out")
    folder = find_run(run, runs_dir)
    if accept_loss:
        for line in accept(folder):
            click.echo(line, err=True)
    with opened(folder) as matchmaker:
        rebuilt = rebuild_store(matchmaker.store, replace=not check)
    wrong_pairs, wrong_players = len(rebuilt.payoff_differences), len(rebuilt.rating_differences)
    if as_json:
        print_json({"exact": rebuilt.exact, "payoff_differences": wrong_pairs, "rating_differences": wrong_players})
    elif rebuilt.exact:
        click.echo("payoff and ratings are exactly what the logs say")
    else:
        verb = "differ" if check else "differed and were replaced"
        click.echo(f"{wrong_pairs} pairs of the payoff and {wrong_players} ratings {verb}")
    ctx.exit(0 if rebuilt.exact or not check else 1)


@click.command()
@AS_JSON
@RUNS_DIR
def runs(runs_dir: Path | None, as_json: bool) -> None:
    """List the runs, the oldest first."""
    root = runs_root(runs_dir)
    rows = []
    for folder in list_runs(root):
        config = folder.config()
        rows.append(
            {
                "run": folder.name,
                "arena": config.arena,
                "state": "running" if held(folder) else "stopped",
                "created": folder.created.isoformat(timespec="seconds"),
                "duration": config.run.duration,
                "path": str(folder.path),
            }
        )
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        click.echo(f"there is no run in {root}: `league start` makes one")
        return
    table = Table("run", "arena", "state", "created", "limit", box=None, pad_edge=False)
    for row in rows:
        limit = duration_text(row["duration"]) if isinstance(row["duration"], float) else "–"
        table.add_row(str(row["run"]), str(row["arena"]), str(row["state"]), str(row["created"]), limit)
    console().print(table)
