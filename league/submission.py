"""Entering bots into a run: checked, stored, registered; and taking them out again."""

from __future__ import annotations

import getpass
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import arenas
from agents.bots.check import CHECKPOINT, Report, check_bot, check_checkpoint, fits
from agents.bots.manifest import LABEL, BotRejectedError, checked_name, printable
from agents.bots.nursery import Nursery
from agents.bots.source import BotSource, load_source
from agents.bots.staging import Bounds
from agents.bots.store import BotStore
from agents.checkpoint import CheckpointStore
from agents.durable import read, sha256, write_durably
from agents.scripted import is_scripted
from arenas.core import Arena
from league.config import BotsConfig
from league.errors import InputError, LeagueError, suggestion
from league.runs import RunFolder
from league.trained import as_checkpoint
from matchmaking.bot_records import BotRecord, BotState
from matchmaking.errors import NameTakenError
from matchmaking.records import Kind, Player, Role, new_id
from matchmaking.service import Matchmaker

MOST_AUTHOR = 64  # characters


class SubmissionRejectedError(LeagueError):
    """A bot that failed in its check.

    Attributes:
        report: of the check.
    """

    exit_code = 5

    def __init__(self, report: Report) -> None:
        first = report.failures[0] if report.failures else None
        why = f"{first.code} ({first.phase}): {first.message}" if first else "it was too slow to be checked"
        super().__init__(f"the bot is rejected: {why}")
        self.report = report


@dataclass(frozen=True, slots=True)
class Submission:
    """What was made of a bot that was submitted.

    Attributes:
        player: its player.
        bot: its record.
        report: of its check; None where nothing had to be checked.
        entered: False where the same bot was there before.
        superseded: name of the version whose place it takes.
    """

    player: Player
    bot: BotRecord
    report: Report | None
    entered: bool
    superseded: str | None = None


@dataclass(frozen=True, slots=True)
class _Content:
    """What is to be entered, and has been checked."""

    version: str
    language: str
    entry: str
    size: int


def submit(run: RunFolder, matchmaker: Matchmaker, path: Path, name: str, author: str | None = None) -> Submission:
    """Check a bot, store it and enter it under `name`; another version of that name is superseded.

    Args:
        run: where it is to play.
        matchmaker: of that run.
        path: a `.py` file, a folder, an archive, a checkpoint, or a folder of `league train`, whose best it is.
        name: of its lineage.
        author: who submits it; the login name unless told otherwise.

    Raises:
        BotRejectedError: it is no bot, too large, of another arena, or its name is taken or not allowed.
        SubmissionRejectedError: it failed in its check.
        InputError: the author's name is none.
        InfraError: this machine cannot run it safely.
    """
    author = checked_author(login() if author is None else author)
    settings = run.config().bots
    _place(matchmaker, checked_name(name), author, settings)
    path = as_checkpoint(path)
    if path.name.endswith(CHECKPOINT):
        return _submit_checkpoint(run, matchmaker, path, name, author)
    source = load_source(path, Bounds(size=settings.max_size))
    with closing(run_arena(run)) as arena:
        fits(source, arena.spec.name)
        known = _same(matchmaker, name, source.version)
        if known is not None:
            return known
        report = check_source(source, arena, settings)
        if not report.ok:
            raise SubmissionRejectedError(report)
    stored = BotStore(run.bots).add(source.folder, Bounds(size=settings.max_size))
    entry = source.entry or " ".join(_as_written(stored))
    content = _Content(stored.version, source.language, entry, stored.size)
    return _enter(matchmaker, content, name, author, settings, report)


def check_source(source: BotSource, arena: Arena, settings: BotsConfig) -> Report:
    """Play a bot as a run with these settings would."""
    with Nursery(settings.isolation, settings.limits, image=settings.image) as nursery:
        return check_bot(source, arena, nursery, settings.clocks)


def run_arena(run: RunFolder) -> Arena:
    """The arena of a run."""
    config = run.config()
    return arenas.make(config.arena, **config.arena_options)


def _submit_checkpoint(run: RunFolder, matchmaker: Matchmaker, path: Path, name: str, author: str) -> Submission:
    settings = run.config().bots
    data = checkpoint_bytes(path, settings.max_size)
    version = sha256(data)
    known = _same(matchmaker, name, version)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory(prefix="league-checkpoint-") as scratch, closing(run_arena(run)) as arena:
        copy = Path(scratch) / f"{version}{CHECKPOINT}"
        copy.write_bytes(data)
        report = check_checkpoint(copy, arena, name, version)
    place = CheckpointStore(run.checkpoints).path(version)
    if not (place.is_file() and sha256(read(place)) == version):
        write_durably(place, data)
    content = _Content(version, "checkpoint", version, len(data))
    return _enter(matchmaker, content, name, author, settings, report)


def checkpoint_bytes(path: Path, most: int) -> bytes:
    """The content of a checkpoint that somebody hands in.

    Raises:
        BotRejectedError: it is missing, no file, or too large.
    """
    if not path.is_file():
        raise BotRejectedError(f"there is no file {printable(str(path), 200)}")
    if path.stat().st_size > most:
        raise BotRejectedError(f"the checkpoint has {path.stat().st_size:,} bytes; at most {most:,} are taken")
    return read(path)


def _enter(
    matchmaker: Matchmaker, content: _Content, name: str, author: str, settings: BotsConfig, report: Report
) -> Submission:
    """Register what was checked; looked at anew whenever somebody else was faster."""
    bots = matchmaker.store.bots
    while True:
        entered = bots.count()
        versions = _place(matchmaker, name, author, settings)
        older = versions[-1] if versions else None
        player = Player(
            id=new_id("p"),
            name=f"{name}.v{len(versions) + 1}" if versions else name,
            kind=Kind.BOT,
            parent=older.player if older else None,
            checkpoint=content.version if content.language == "checkpoint" else None,
            version=content.version,
        )
        bot = BotRecord(
            player=player.id,
            lineage=name,
            author=author,
            language=content.language,
            entry=content.entry,
            size=content.size,
        )
        standing = next((each for each in reversed(versions) if each.state in STANDING), None)
        try:
            done = bots.enter(player, bot, supersedes=standing.player if standing else None, entered=entered)
        except NameTakenError as error:
            raise BotRejectedError(f"the name {name!r} is taken in this run") from error
        if done:
            players = {each.id: each for each in matchmaker.players()}
            stored = bots.get(player.id)
            assert stored is not None
            superseded = players[standing.player].name if standing else None
            return Submission(players[player.id], stored, report, True, superseded)


STANDING = (BotState.ACTIVE, BotState.SUSPENDED)
"""States in which a version gives way to a new one."""


def _same(matchmaker: Matchmaker, name: str, version: str) -> Submission | None:
    """The bot of this name that stands, where it has this very content.

    Raises:
        BotRejectedError: it was suspended.
    """
    bot = matchmaker.store.bots.newest(name)
    if bot is None or bot.state not in STANDING:
        return None
    player = next(each for each in matchmaker.players() if each.id == bot.player)
    if player.version != version:
        return None
    if bot.state is BotState.SUSPENDED:
        raise BotRejectedError(f"this very bot is suspended ({bot.reason}): mend it and submit it again")
    return Submission(player, bot, None, False)


def _place(matchmaker: Matchmaker, name: str, author: str, settings: BotsConfig) -> list[BotRecord]:
    """The versions so far of the lineage that a bot of this name and author would go on with.

    Raises:
        BotRejectedError: the name is taken, or the author has as many bots as are allowed.
    """
    bots = matchmaker.store.bots.all()
    versions = [bot for bot in bots.values() if bot.lineage == name]
    if versions:
        if versions[0].author != author:
            raise BotRejectedError(f"the name {name!r} belongs to {versions[0].author}; choose another --name")
    else:
        _check_free(name, matchmaker.players(), bots)
    mine = sorted(
        bot.lineage
        for bot in bots.values()
        if bot.author == author and bot.lineage != name and bot.state is BotState.ACTIVE
    )
    if len(mine) >= settings.per_author:
        raise BotRejectedError(
            f"{author} may have {settings.per_author} active bots in this run"
            + (f" and has {', '.join(mine)}: take one out with `league bots withdraw {mine[0]}`" if mine else "")
        )
    return versions


def _check_free(name: str, players: Sequence[Player], bots: Mapping[str, BotRecord]) -> None:
    """Make sure that a new lineage's name is nobody's."""
    if name.lower() in set(Role) or re.fullmatch(rf"({'|'.join(Role)})-\d+", name.lower()):
        raise BotRejectedError(f"the name {name!r} is a role's or a learner's; choose another --name")
    if is_scripted(name.lower()):
        raise BotRejectedError(f"the name {name!r} is a scripted player's; choose another --name")
    for taken in [bot.lineage for bot in bots.values()] + [text for each in players for text in (each.name, each.id)]:
        if taken.lower() == name.lower():
            like = "" if taken == name else f" by {taken!r}, which differs in upper and lower case only"
            raise BotRejectedError(f"the name {name!r} is taken in this run{like}; choose another --name")


def _as_written(source: BotSource) -> tuple[str, ...]:
    """A command's words for people: its program without the folders that it happens to lie in."""
    return (Path(source.command[0]).name, *source.command[1:])


def login() -> str:
    """Who is logged in, as an author's name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "nobody"


def checked_author(author: str) -> str:
    """`author` where somebody may be called so."""
    if not author.strip() or len(author) > MOST_AUTHOR or not LABEL.fullmatch(author) or not author.isprintable():
        raise InputError(f"{printable(author)} is no author: 1 to {MOST_AUTHOR} printable characters")
    return author.strip()


def find_bot(matchmaker: Matchmaker, name: str) -> tuple[Player, BotRecord]:
    """The bot that a person means: a lineage's newest version that is active, or one version such as `NAME.v2`.

    Raises:
        InputError: there is no such bot; the message gives the nearest name.
    """
    bots = matchmaker.store.bots.all()
    players = {player.id: player for player in matchmaker.players()}
    newest = matchmaker.store.bots.newest(name)
    if newest is not None:
        return players[newest.player], newest
    for bot in bots.values():
        if name in (bot.player, players[bot.player].name):
            return players[bot.player], bot
    names = {bot.lineage for bot in bots.values()} | {players[bot.player].name for bot in bots.values()}
    raise InputError(f"no bot {printable(name)} in run {matchmaker.store.info.name!r}; {suggestion(name, names)}")


def withdraw(matchmaker: Matchmaker, name: str, reason: str) -> tuple[Player, bool]:
    """Give a bot no more matches; its results stay.

    Returns:
        The player, and False where it was not matched any more already.
    """
    player, _ = find_bot(matchmaker, name)
    return player, matchmaker.store.bots.set_state(player.id, BotState.WITHDRAWN, reason, only_from=STANDING)
