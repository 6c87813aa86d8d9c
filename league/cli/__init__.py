"""The command line, a thin layer over the functions of `league.api`.

Only click is imported here: a command's module is imported when the command is called, and torch when it is needed.
"""

from __future__ import annotations

import sys

import click

from league.cli.group import CommandTable, LeagueGroup

COMMANDS: CommandTable = {
    "start": ("league.cli.control:start", "Start a league and watch it train."),
    "train": ("league.cli.train:train", "Train one team outside of a league."),
    "evaluate": ("league.cli.evaluate:evaluate", "Measure trained teams over test episodes."),
    "status": ("league.cli.control:status", "Show once how a run stands."),
    "watch": ("league.cli.control:watch", "Show how a run stands, and keep showing."),
    "stop": ("league.cli.control:stop", "Stop a run; everything is kept."),
    "resume": ("league.cli.control:resume", "Go on with a run that was stopped or broke off."),
    "rebuild": ("league.cli.control:rebuild", "Compute payoff and ratings again from the logs."),
    "doctor": ("league.cli.doctor:doctor", "Check this machine and a run for what could go wrong."),
    "redis-acl": ("league.cli.redis_acl:redis_acl", "Write the users of a shared Redis."),
    "backup": ("league.cli.backup:backup", "Write a whole run into one file, also while it runs."),
    "restore": ("league.cli.backup:restore", "Make a run of such a file."),
    "gc": ("league.cli.gc:gc", "Show or remove what nothing in a run refers to."),
    "runs": ("league.cli.control:runs", "List the runs."),
    "arenas": ("league.cli.arenas:arenas", "List, show and check arenas."),
    "players": ("league.cli.players:players", "List the players of a run, or show one."),
    "payoff": ("league.cli.players:payoff", "Show who beats whom in training."),
    "leaderboard": ("league.cli.players:leaderboard", "Show the published ratings."),
    "submit": ("league.cli.bots:submit", "Enter a bot into a run."),
    "bots": ("league.cli.bots:bots", "Write a bot, try it, and look after those that were entered."),
    "match": ("league.cli.match:match", "Let two players play some unrated matches."),
    "tournament": ("league.cli.tournament:tournament", "Play a round robin, a gauntlet, a swiss or a knockout."),
    "replay": ("league.cli.replay:replay", "Play a rated match again, move by move."),
    "nashconv": ("league.cli.nashconv:nashconv", "Measure how far card players are from equilibrium, exactly."),
    "export": ("league.cli.files:export", "Write a table as csv, json, md or html."),
    "plot": ("league.cli.files:plot", "Draw ratings, payoff or opponent probabilities."),
    "demo": ("league.cli.demo:demo", "Show in seconds what a league is for."),
    "bench": ("league.cli.bench:bench", "Measure the speed of this machine."),
}


@click.group(cls=LeagueGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="league-selfplay", prog_name="league")
def main() -> None:
    """AlphaStar-style league self-play: training, matchmaking, ratings and an arena.

    `league start connect_four --for 5m` trains a league; `league leaderboard` shows who is best.
    """
    if any("@" in word for word in sys.argv):
        from league.passwords import hide

        hide(sys.argv)
