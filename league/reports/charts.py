"""The figures of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from league.errors import InputError
from league.figures import BarChart, HeatMap, LineChart, Series
from matchmaking.pfsp import Weighting, pfsp_weights
from matchmaking.population import Population
from matchmaking.records import Counters, Kind, MatchResult, Player, Rating, Role
from matchmaking.service import Matchmaker
from matchmaking.standings import Board, Standing

MAP_SIZE = 40  # players in a heat map: more cannot be read
CURVES = 8  # rating curves in a figure: more have no colour of their own
LEVELS = 5  # scripted players and bots in a figure of learners
BARS = 40  # opponents in a chart of probabilities

Pairs = Mapping[tuple[int, int], Counters]


def rated(matchmaker: Matchmaker) -> list[tuple[Player, Rating]]:
    """The players with a live rating, best first by mu - 3 sigma."""
    state = matchmaker.ratings()
    found = [(player, state[player.id]) for player in matchmaker.players() if player.id in state]
    return sorted(found, key=lambda pair: (3 * pair[1].sigma - pair[1].mu, pair[0].name))


def payoff_map(matchmaker: Matchmaker, pairs: Pairs | None = None) -> HeatMap:
    """Win rates in training as a picture: each learner against learners and the best rated frozen players.

    Frozen players do not train, so they have met nobody but learners. What cannot be read any more is left out.
    """
    players = matchmaker.players()
    index = {player.id: place for place, player in enumerate(players)}
    learners = [player for player in players if player.kind is Kind.LEARNER]
    order = [player for player, _ in rated(matchmaker) if player.kind is Kind.FROZEN]
    seen = {player.id for player in order}
    order += [player for player in reversed(players) if player.kind is Kind.FROZEN and player.id not in seen]
    shown = [*learners, *order][:MAP_SIZE]
    pairs = matchmaker.store.payoff_pairs() if pairs is None else pairs

    def rate(row: Player, column: Player) -> float | None:
        first, second = index[row.id], index[column.id]
        counters = pairs.get((min(first, second), max(first, second)))
        if counters is None or first == second:
            return None
        return counters.win_rate if first < second else 1.0 - counters.win_rate

    values = tuple(tuple(rate(row, column) for column in shown) for row in learners)
    title = "Win rate of the learners in training"
    if len(shown) < len(learners) + len(order):
        title += f", against each other and the best {len(shown) - len(learners)} of {len(order)} frozen players"
    rows, columns = tuple(player.name for player in learners), tuple(player.name for player in shown)
    return HeatMap(title, rows, columns, values, "learner", "opponent")


def score_map(results: Iterable[MatchResult], shown: Board) -> HeatMap:
    """Scores in rated matches as a picture, in the order of the board, as far as they can be read."""
    played = [row for row in shown.players if row.games]
    rows = played[:MAP_SIZE]
    place = {row.id: index for index, row in enumerate(rows)}
    points = [[0.0] * len(rows) for _ in rows]
    games = [[0] * len(rows) for _ in rows]
    for result in results:
        a, b = place.get(result.a), place.get(result.b)
        if a is None or b is None:
            continue
        score, count = result.count("w") + 0.5 * result.count("d"), len(result.outcomes)
        points[a][b] += score
        points[b][a] += count - score
        games[a][b] += count
        games[b][a] += count
    values = tuple(
        tuple(point / count if count else None for point, count in zip(*pair, strict=True))
        for pair in zip(points, games, strict=True)
    )
    names = tuple(row.name for row in rows)
    title = "Score in rated matches, in percent"
    if len(rows) < len(played):
        title += f", among the best {len(rows)} of {len(played)}"
    return HeatMap(title, names, names, values)


def strength_curves(matchmaker: Matchmaker, shown: Board | None = None) -> LineChart:
    """Published rating of every frozen player over the samples that it was trained on, a line for each learner.

    The best scripted players and bots are levels to compare with, as many as can be told apart.
    """
    rows = {row.id: row for row in (shown or matchmaker.standings()).players if row.rating is not None}
    members = matchmaker.players()
    series = []
    for learner in [player for player in members if player.kind is Kind.LEARNER]:
        copies = [player for player in members if player.parent == learner.id and player.id in rows]
        copies.sort(key=lambda player: player.steps)
        if copies:
            points = tuple((float(player.steps), rows[player.id].rating or 0.0) for player in copies)
            spread = tuple(_half_width(rows[player.id]) for player in copies)
            series.append(Series(learner.name, points, spread))
    fixed = [row for row in rows.values() if row.kind in (Kind.SCRIPTED, Kind.BOT)]
    fixed = sorted(fixed, key=lambda row: -(row.rating or 0.0))[:LEVELS]
    series += [Series(row.name, ((0.0, row.rating or 0.0),), level=True) for row in fixed]
    title = "Strength of the frozen players over training"
    return LineChart(title, "learner samples when frozen", "rating (Elo scale, 95 % interval)", tuple(series))


def rating_curves(matchmaker: Matchmaker) -> LineChart:
    """Live Elo over the log of rated matches, for the best rated players."""
    best = [player for player, _ in rated(matchmaker)][:CURVES]
    points: dict[str, list[tuple[float, float]]] = {player.id: [] for player in best}
    for point in matchmaker.store.ratings.history():
        if point.player in points:
            points[point.player].append((float(point.position), point.elo))
    series = tuple(Series(player.name, tuple(points[player.id])) for player in best if points[player.id])
    return LineChart("Elo while the log of rated matches grows", "results in the log", "Elo", series)


def pfsp_bars(matchmaker: Matchmaker, learner: Player, weighting: Weighting = Weighting.SQUARED) -> BarChart:
    """The probabilities with which PFSP would choose a learner's opponents among all frozen players.

    Raises:
        InputError: the player is no learner.
    """
    if learner.kind is not Kind.LEARNER:
        raise InputError(f"{learner.name} is no learner (it is {learner.kind}): PFSP chooses opponents for learners")
    population = Population(matchmaker.players())
    population.host(learner.id)
    population.load_row(learner.id, matchmaker.payoff_row(learner.id))
    candidates = population.frozen
    rates, games = population.win_rates(learner.id, candidates), population.games(learner.id, candidates)
    weights = pfsp_weights(rates, weighting)
    order = sorted(range(len(candidates)), key=lambda place: -float(weights[place]))[:BARS]
    chosen = [population.player(population.id(int(candidates[place]))) for place in order]
    return BarChart(
        f"PFSP ({weighting}) of {learner.name} over {len(candidates)} frozen players",
        "probability of being the next opponent",
        tuple(player.name for player in chosen),
        tuple(float(weights[place]) for place in order),
        tuple(f"win rate {100 * float(rates[place]):.0f} %" if games[place] else "not met yet" for place in order),
    )


def first_learner(members: Sequence[Player], role: Role) -> Player:
    """The learner of a role that was registered first.

    Raises:
        InputError: the league trains none.
    """
    for player in members:
        if player.kind is Kind.LEARNER and player.role is role:
            return player
    raise InputError(f"this league trains no {role}: name one of its learners with --player")


def _half_width(row: Standing) -> float:
    return ((row.rating_high or 0.0) - (row.rating_low or 0.0)) / 2
