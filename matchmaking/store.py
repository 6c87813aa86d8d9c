"""What a run keeps in Redis: every key, and every write as a typed function around one Lua script.

Keys, all under `league:{RUN}:`

    run                                 hash: schema, arena, decay, created; the fencing counter `token`
    facts                               hash: what a run's processes must agree on, such as its deadline
    clients                             hash: client -> largest ticket number seen; one entry a start of a process,
                                        and one for each learner process's stream of reports
    players, player_ids, player_names   list of records in order of registration; id -> index; name -> id
    episodes                            list: log of episode reports, rows by player index
    payoff                              hash: "lower:higher" index -> four doubles, projection of `episodes`
    queue, pairings, leases, holders, requests, dropped     see `matchmaking.queue`
    matches, match_index                list: log of rated matches; id -> token of the report
    archived, segments:LOG              what of the logs lies in files of the run folder, see `matchmaking.logs`
    fold, ratings, rating_history       projection of `matches`, see `matchmaking.rating_store`
    heartbeats, learners, commands      see `matchmaking.processes`
    aside:ID                            what is brought in pieces and then put in place, see `matchmaking.aside`
    bots, bot_states, bot_failures:ID, bot_streaks, bot_failed     see `matchmaking.bots`
"""

from __future__ import annotations

import json
import secrets
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from matchmaking.aside import PIECE, set_aside
from matchmaking.bots import BotRegistry
from matchmaking.errors import (
    NameTakenError,
    SchemaMismatchError,
    UnknownPlayerError,
    UnknownRunError,
)
from matchmaking.intact import intact
from matchmaking.logs import LOGS, Log
from matchmaking.payoff import DECAY
from matchmaking.processes import Processes
from matchmaking.queue import MatchQueue
from matchmaking.rating_store import RatingStore
from matchmaking.records import SCHEMA, Counters, EpisodeCount, Player
from matchmaking.run_records import RunInfo, Ticket
from matchmaking.session import Session
from matchmaking.spelling import did_you_mean

Row = tuple[int, int, int, int, int, int]
"""player index, opponent index, seat, wins, draws, losses: one line of an episode report."""

_COUNTERS = struct.Struct("<dddd")


class Store:
    """The state of one run. Safe to share between threads; a process forked or spawned opens its own.

    Attributes:
        session: the connection.
        info: what was fixed when the run was created.
        logs: of episodes, rated matches and ratings, by name.
        queue: pairings to play, their leases, and the log of rated matches.
        ratings: live ratings and their history.
        processes: heartbeats, learner statuses and commands.
        bots: what was submitted, and how it failed.
    """

    def __init__(self, session: Session, info: RunInfo, files: Path | None = None) -> None:
        """Use `Store.create` or `Store.open`, which check the schema."""
        self.session = session
        self.info = info
        self.logs = {name: Log(session, name, files) for name in LOGS}
        self.queue = MatchQueue(session, self.logs["matches"])
        self.ratings = RatingStore(session, self.logs["rating_history"])
        self.processes = Processes(session, self._turn)
        self.bots = BotRegistry(session, self._turn)
        self._client = secrets.token_hex(8)
        self._number = 0
        self._ticket_lock = threading.Lock()
        self._players_lock = threading.Lock()
        self._players: list[Player] = []
        self._index: dict[str, int] = {}

    @classmethod
    def create(
        cls, url: str, run: str, arena: str, decay: float = DECAY, patience: float = 2.0, files: Path | None = None
    ) -> Store:
        """Create a run, or open it where it exists; an existing run keeps the decay that it was created with.

        Args:
            url: of the server.
            run: its name.
            arena: that it plays.
            decay: factor on the payoff's counters before each episode is added.
            patience: seconds for which a call is repeated while the server does not answer.
            files: the run folder's `logs/`, where the older parts of the logs lie; None where it is not at hand.

        Raises:
            RedisUnreachableError: the server does not answer.
            SchemaMismatchError: the run exists with another schema or for another arena; it is left as it was.
        """
        if not 0.0 < decay <= 1.0:
            raise ValueError(f"decay must be above 0 and at most 1, not {decay}")
        session = Session(url, run, patience)
        try:
            info = _info(session, session.call("create", ["run"], SCHEMA, arena, repr(decay)))
            if info.arena != arena:
                raise SchemaMismatchError(
                    f"run {run!r} in Redis plays {info.arena}, not {arena}: choose another name for the new run"
                )
        except BaseException:
            session.close()
            raise
        return cls(session, info, files)

    @classmethod
    def open(cls, url: str, run: str, patience: float = 2.0, files: Path | None = None) -> Store:
        """Open a run that exists; for the arguments see `create`.

        Raises:
            RedisUnreachableError: the server does not answer.
            UnknownRunError: there is no such run.
            SchemaMismatchError: it has another schema; it is left as it was.
        """
        session = Session(url, run, patience)
        try:
            fields = session.read("HMGET", "run", "schema", "arena", "decay", "created")
            if fields[0] is None:
                raise UnknownRunError(f"no run {run!r} in this Redis: `league runs` lists the runs that there are")
            info = _info(session, fields)
        except BaseException:
            session.close()
            raise
        return cls(session, info, files)

    def close(self) -> None:
        self.session.close()

    # Facts of the run.

    def set_fact(self, name: str, value: str, *, keep: bool = False) -> str:
        """Set a fact, or with `keep` only where there is none; returns the value that stands there now."""
        stored: bytes = self.session.call("set_field", ["facts"], name, value, int(keep))
        return stored.decode()

    @property
    def facts(self) -> dict[str, str]:
        """All facts of the run."""
        stored: Mapping[bytes, bytes] = self.session.read("HGETALL", "facts")
        with intact(self.session.run, "facts"):
            return {name.decode(): value.decode() for name, value in stored.items()}

    # Players.

    def register(self, player: Player) -> Player:
        """Register a player; the same player again changes nothing.

        Returns:
            The record as it is stored; `created` is the server's time of the first registration.

        Raises:
            NameTakenError: another player has this name, or this id with other fields.
        """
        if not player.created:
            player = player.model_copy(update={"created": self.session.now()})
        index, text = self.session.call(
            "register", ["players", "player_ids", "player_names"], player.id, player.name, player.model_dump_json()
        )
        if index < 0:
            raise NameTakenError(
                f"the name {player.name!r} belongs to player {text.decode(errors='replace')}: names are unique in a run"
            )
        with intact(self.session.run, "players"):
            stored = Player.model_validate_json(text)
        if stored != player.model_copy(update={"created": stored.created}):
            raise NameTakenError(f"player {player.id} is registered already, with other fields, as {stored.name!r}")
        return stored

    def players(self, since: int = 0) -> list[Player]:
        """The players in the order of registration, from index `since` on: ask with the number that you have."""
        with self._players_lock:
            self._refresh()
            return self._players[since:]

    def index(self, player: str) -> int:
        """A player's index in the order of registration.

        Raises:
            UnknownPlayerError: it was never registered; the message names the nearest id.
        """
        found = self._index.get(player)
        if found is not None:
            return found
        with self._players_lock:
            self._refresh()
            if player not in self._index:
                hint = did_you_mean(player, self._index, "none has an id like it")
                raise UnknownPlayerError(f"no player {player!r} in run {self.info.name!r}: {hint}")
            return self._index[player]

    def _refresh(self) -> None:
        known = len(self._players)
        texts = self.session.read("LRANGE", "players", known, -1)
        with intact(self.session.run, "players"):
            found = [Player.model_validate_json(text) for text in texts]
        for player in found:
            self._index[player.id] = len(self._players)
            self._players.append(player)

    # Episodes and payoff.

    def report_episodes(self, counts: Iterable[EpisodeCount], ticket: Ticket | None = None) -> bool:
        """Log finished episodes and fold them into the payoff; each episode is reported from one side only.

        Args:
            counts: rows by player, opponent and seat. Self-play is logged and stays out of the payoff.
            ticket: of a client of the caller's own; without one the store draws a ticket and a report that raised
                `RedisUnreachableError` cannot be repeated safely.

        Returns:
            False where the ticket was used before: nothing was counted again.

        Raises:
            UnknownPlayerError: a row names a player that was never registered; nothing was counted.
        """
        return self.report_rows(self._rows(counts), ticket)

    def report_rows(self, rows: Sequence[Row], ticket: Ticket | None = None) -> bool:
        """`report_episodes` with players by index, for callers that hold them so; the rows must not be negative.

        Raises:
            UnknownPlayerError: an index that no player has; nothing was counted.
        """
        with nullcontext(ticket) if ticket else self._turn() as first:
            return self._report([rows], first) == 1

    def report_stream(self, reports: Sequence[Sequence[EpisodeCount]], first: Ticket) -> int:
        """Several reports of one client in their order, as one write; each is folded by itself.

        Args:
            reports: each as for `report_episodes`.
            first: ticket of the first one; the second has the next number, and so on.

        Returns:
            How many were new; those whose tickets were used before are not counted again.

        Raises:
            UnknownPlayerError: a row names a player that was never registered; nothing was counted.
        """
        return self._report([self._rows(counts) for counts in reports], first) if reports else 0

    def reported(self, client: str) -> int:
        """The largest ticket number that was seen of a client; 0 for one that never wrote."""
        stored = self.session.read("HGET", "clients", client)
        with intact(self.session.run, "clients"):
            return int(stored or 0)

    def _rows(self, counts: Iterable[EpisodeCount]) -> list[Row]:
        index = self.index
        return [(index(c.player), index(c.opponent), c.seat, c.wins, c.draws, c.losses) for c in counts]

    def _report(self, reports: Sequence[Sequence[Row]], first: Ticket) -> int:
        texts = [json.dumps(rows, separators=(",", ":")) for rows in reports]
        keys = ["run", "clients", "episodes", "payoff", "players"]
        new: int = self.session.call("report_episodes", keys, *first, *texts)
        if new < 0:
            raise UnknownPlayerError(
                f"a row names an index that no player of run {self.info.name!r} has: {texts[0][:200]}"
            )
        return new

    def payoff_row(self, player: str, opponents: Sequence[str] | None = None) -> dict[str, Counters]:
        """The counters of a player against those of its opponents that it has met.

        Args:
            player: id.
            opponents: ids; None takes everyone.

        Raises:
            UnknownPlayerError: one of them was never registered.
        """
        mine = self.index(player)
        ids = [other.id for other in self.players()] if opponents is None else list(opponents)
        if not ids:
            return {}
        others = [self.index(other) for other in ids]
        values = self.session.read("HMGET", "payoff", *(pair_field(mine, other) for other in others))
        with intact(self.session.run, "payoff"):
            return {
                opponent: unpack_counters(value, mirrored=mine > other)
                for opponent, other, value in zip(ids, others, values, strict=True)
                if value is not None
            }

    def episode_reports(self) -> int:
        """How many reports the log of episodes holds."""
        return self.logs["episodes"].length()

    def episode_rows(self, since: int, count: int) -> list[list[Row]]:
        """Up to `count` reports of the log of episodes, from number `since` on."""
        texts = self.logs["episodes"].read(since, count)
        with intact(self.session.run, "episodes"):
            return [[_row(row) for row in json.loads(text)] for text in texts]

    def payoff_pairs(self) -> dict[tuple[int, int], Counters]:
        """The whole payoff: counters of each pair that has met, as the player with the lower index sees it."""
        stored: Mapping[bytes, bytes] = self.session.read("HGETALL", "payoff")
        pairs = {}
        with intact(self.session.run, "payoff"):
            for field, value in stored.items():
                lower, higher = field.split(b":")
                pairs[int(lower), int(higher)] = unpack_counters(value)
        return pairs

    def replace_payoff(self, pairs: Mapping[tuple[int, int], Counters], reports: int, piece: int = PIECE) -> bool:
        """Put a payoff that was recomputed from the first `reports` reports in place of the stored one.

        Args:
            pairs: all of them.
            reports: how many the log holds.
            piece: how many pairs go to the server at a time.

        Returns:
            False where the log holds another number of reports by now; nothing was changed.
        """
        fields = [(pair_field(*pair), _COUNTERS.pack(c.games, c.wins, c.draws, c.losses)) for pair, c in pairs.items()]
        keys = ["episodes", "payoff", "archived", "fold", set_aside(self.session, "hash", fields, piece)]
        return bool(self.session.call("replace_payoff", keys, secrets.token_hex(8), reports, len(pairs)))

    @contextmanager
    def _turn(self) -> Iterator[Ticket]:
        """The store's next ticket; it is the caller's turn until it leaves, for tickets must arrive in order."""
        with self._ticket_lock:
            self._number += 1
            yield Ticket(self._client, self._number)


def pair_field(player: int, opponent: int) -> str:
    """Field of the payoff that holds a pair of players, by index."""
    return f"{player}:{opponent}" if player < opponent else f"{opponent}:{player}"


def unpack_counters(value: bytes, mirrored: bool = False) -> Counters:
    """The counters of a field of the payoff, or with `mirrored` those of the other player."""
    games, wins, draws, losses = _COUNTERS.unpack(value)
    if mirrored:
        wins, losses = losses, wins
    # The numbers are our own: skipping validation makes a row of 10,000 opponents three times as fast to read.
    return Counters.model_construct(games=games, wins=wins, draws=draws, losses=losses)


def _row(row: Sequence[int]) -> Row:
    """A line of a report, as it is stored."""
    player, opponent, seat, wins, draws, losses = row
    if not all(type(number) is int and number >= 0 for number in row):
        raise ValueError(f"{row} is no line of a report")
    return player, opponent, seat, wins, draws, losses


def _info(session: Session, fields: Sequence[bytes | None]) -> RunInfo:
    with intact(session.run, "run"):
        schema, arena, decay, created = (field.decode() for field in fields if field is not None)
    if schema != str(SCHEMA):
        raise SchemaMismatchError(
            f"run {session.run!r} in Redis has schema {schema} and this program writes schema {SCHEMA}: "
            "use the program that wrote it, or another name for a new run"
        )
    with intact(session.run, "run"):
        return RunInfo(
            name=session.run, schema_version=int(schema), arena=arena, decay=float(decay), created=float(created)
        )
