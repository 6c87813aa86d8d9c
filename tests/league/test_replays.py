"""Stored replays, matches played again from their seed, and `league replay`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from arenas.replay import MatchRecord, ReplayError
from league.cli import main
from league.errors import InputError, StateMismatchError
from league.replaying import MatchesOfRun
from league.replays import ReplayStore
from matchmaking.records import Kind, MatchResult, Player
from matchmaking.server import EmbeddedServer
from tests.league.houses import ARENA, FIRST, MATCHES, RAISES, House

SAME = """
def act(observation, action_mask, clock):
    return int(action_mask.argmax())  # what FIRST does
"""
LAST = """
def act(observation, action_mask, clock):
    return max(i for i, legal in enumerate(action_mask) if legal)
"""


def a_record(number: int = 0) -> MatchRecord:
    return MatchRecord(
        id=f"m_x/{number}", arena=ARENA, seed=7, players=("a", "b"), actions=(0, 1, 2), returns=(0.0, 0.0)
    )


class TestStore:
    def test_a_draft_is_nobodys_until_its_result_is_in_the_log(self, tmp_path: Path) -> None:
        store = ReplayStore(tmp_path / "replays")
        records = [a_record(0), a_record(1)]
        store.draft("m_x", "evaluator-0", records)
        assert store.stored() == set()
        assert store.load("m_x", "evaluator-1") is None
        assert store.load("m_x", "evaluator-0") == records, "killed between the report and the rename: it counts"
        store.keep("m_x", "evaluator-0")
        assert store.stored() == {"m_x"}
        assert store.load("m_x") == records
        store.draft("m_y", "evaluator-0", records)
        store.discard("m_y", "evaluator-0")
        assert store.load("m_y", "evaluator-0") is None
        assert [path.name for path in (tmp_path / "replays").iterdir()] == ["m_x.jsonl.gz"]

    @pytest.mark.parametrize("damage", ["cut", "flipped", "not gzip", "other fields"])
    def test_a_damaged_file_is_told(self, tmp_path: Path, damage: str) -> None:
        store = ReplayStore(tmp_path)
        store.draft("m_x", "w", [a_record()])
        store.keep("m_x", "w")
        path = tmp_path / "m_x.jsonl.gz"
        data = path.read_bytes()
        middle = len(data) // 2
        changed = {
            "cut": data[:-12],
            "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
            "not gzip": b"{}",
            "other fields": gzip.compress(b'{"id": "m_x/0"}'),
        }
        path.write_bytes(changed[damage])
        with pytest.raises(ReplayError, match=r"m_x\.jsonl\.gz is damaged"):
            store.load("m_x")

    @pytest.mark.parametrize("name", ["../m_x", "", ".hidden", "a/b", "a\0b"])
    def test_an_id_is_no_path(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ReplayError, match="is no id of a pairing"):
            ReplayStore(tmp_path / "replays").load(name)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A run with a pairing of a sound bot, one of a failing bot, and one of our own players."""
    root = tmp_path_factory.mktemp("house")
    server = EmbeddedServer(root / "redis")
    server.start()
    house = House(root, server.url)
    perfect = house.store.register(Player(id="p_perfect", name="perfect", kind=Kind.SCRIPTED))
    house.play(house.enter("first", FIRST), perfect, 10)
    house.play(house.random, house.enter("raising", RAISES), 11)
    house.play(house.random, perfect, 20)
    yield house
    house.evaluator.close()
    house.store.close()
    server.stop()


def call(home: House, *words: str) -> Result:
    where = ["--run", home.run.name, "--runs-dir", str(home.run.path.parent)]
    return CliRunner().invoke(main, ["replay", *words, *where])


def played(home: House) -> MatchesOfRun:
    return MatchesOfRun(home.run, home.matchmaker)


def test_finding_a_match(home: House) -> None:
    matches = played(home)
    assert [result.id for result in matches.newest(2)] == ["m_20", "m_11"]
    assert [result.id for result in matches.newest(9, "p_perfect")] == ["m_20", "m_10"]
    result, index = matches.find("m_11/3")
    assert (result.id, index) == ("m_11", 3)
    assert matches.find("m_2")[0].id == "m_20", "the first letters are enough"
    for text, message in (
        ("m_1", "2 pairings begin with 'm_1', such as m_11 and m_10"),
        ("m_3", "no rated match 'm_3' in run"),
        (f"m_20/{MATCHES}", f"has the matches 0 to {MATCHES - 1}, not {MATCHES}"),
        ("m_20/x", "expected PAIRING or PAIRING/INDEX"),
    ):
        with pytest.raises(InputError, match=message):
            matches.find(text)


def test_our_own_players_play_the_same_again(home: House) -> None:
    result, _ = played(home).find("m_20")
    records = played(home).records(home.arena, result)
    assert [record.id for record in records] == [f"m_20/{number}" for number in range(MATCHES)]
    ends = "".join("wld"[(ours < 0) + 2 * (ours == 0)] for ours in (r.returns[i % 2] for i, r in enumerate(records)))
    assert ends == result.outcomes
    other = result.model_copy(update={"outcomes": "w" * MATCHES})  # random has not beaten perfect play
    with pytest.raises(StateMismatchError, match=f"ended {result.outcomes}, but the log says {'w' * MATCHES}"):
        played(home).records(home.arena, other)
    lost = MatchResult(id="m_gone", a=home.random.id, b="p_first", seed=1, outcomes="ww")
    with pytest.raises(InputError, match=r"the moves of m_gone are not stored, .* first is a bot"):
        played(home).records(home.arena, lost)


def test_the_list(home: House) -> None:
    text = call(home).stdout
    assert [line.split()[0] for line in text.splitlines() if line.startswith("m_")] == ["m_20", "m_11", "m_10"]
    assert "from the seed" in text
    assert "stored" in text
    found = json.loads(call(home, "--json", "--player", "raising").stdout)
    assert (found["run"], found["tournament"]) == (home.run.name, None)
    rows = found["pairings"]
    assert [(row["id"], row["stored"], row["b"]) for row in rows] == [("m_11", True, "raising")]
    assert rows[0]["forfeits"] > 0


def test_the_matches_of_a_pairing(home: House) -> None:
    lines = call(home, "m_11").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [f"m_11/{number}" for number in range(MATCHES)]
    assert "raising forfeits (CRASH: RuntimeError: the centre was taken)" in "\n".join(lines)


def test_a_match_into_a_pipe(home: House) -> None:
    text = call(home, "m_10/1").stdout
    record = played(home).records(home.arena, played(home).find("m_10")[0])[1]
    assert text.count("perfect against first") == record.length + 1
    assert "before the first move" in text
    assert f"step {record.length}: " in text
    assert "player_1 (first) plays" in text
    assert text.rstrip().endswith(("perfect wins", "a draw"))
    assert call(home, "--last").stdout.startswith(f"m_20/{MATCHES - 1}  {ARENA}")


def test_json_can_be_handed_on(home: House, tmp_path: Path) -> None:
    text = call(home, "m_11/0", "--json").stdout
    data = json.loads(text)
    assert [record["id"] for record in data["matches"]] == ["m_11/0"]
    assert data["frames"][0][-1]["last"] is True
    path = tmp_path / "match.json"
    path.write_text(text)
    shown = CliRunner().invoke(main, ["replay", str(path)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == call(home, "m_11/0").stdout
    path.write_text("{}")
    assert "holds no match" in CliRunner().invoke(main, ["replay", str(path)]).stderr


def test_what_a_stranger_wrote_is_not_obeyed(home: House, tmp_path: Path) -> None:
    data = json.loads(call(home, "m_11/0", "--json").stdout)
    first = data["matches"][0] | {"players": ["\x1b[31mred", "[bold]b[/bold]"], "id": "\x1b[2Jm/0"}
    path = tmp_path / "match.json"
    for matches in ([first], [first, first | {"id": "m/1"}]):
        path.write_text(json.dumps({"matches": matches}))
        shown = CliRunner().invoke(main, ["replay", str(path)])
        assert shown.exit_code == 0, shown.output
        assert "\x1b" not in shown.stdout
        assert "?[2Jm/0" in shown.stdout
        assert "?[31mred against [bold]b[/bold]" in shown.stdout


def a_file(home: House, path: Path, *ids: str) -> str:
    """A file of real matches under these ids."""
    (record,) = json.loads(call(home, "m_11/0", "--json").stdout)["matches"]
    path.write_text(json.dumps({"matches": [record | {"id": id} for id in ids]}))
    return str(path)


def test_a_file_of_several_matches_is_listed_and_one_is_played(home: House, tmp_path: Path) -> None:
    path = a_file(home, tmp_path / "kept.json", *(f"match/{number}" for number in (0, 1, 10)))
    listed = CliRunner().invoke(main, ["replay", path])
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["match/0", "match/1", "match/10"]
    shown = CliRunner().invoke(main, ["replay", f"{path}/1"])
    assert shown.stdout == call(home, "m_11/0").stdout.replace("m_11/0", "match/1")
    found = json.loads(CliRunner().invoke(main, ["replay", f"{path}/10", "--json"]).stdout)["matches"]
    assert [record["id"] for record in found] == ["match/10"]
    every = json.loads(CliRunner().invoke(main, ["replay", path, "--json"]).stdout)
    assert (len(every["matches"]), len(every["frames"])) == (3, 3)
    for index, message in (("2", "holds match/0, match/1, match/10, and no match 2"), ("x", "FILE.json/INDEX")):
        wrong = CliRunner().invoke(main, ["replay", f"{path}/{index}"])
        assert (wrong.exit_code, message in wrong.stderr) == (2, True), wrong.output


def test_q_ends_it_all(home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["q"]
    monkeypatch.setattr("click.getchar", keys.pop)
    monkeypatch.setattr("league.cli.replay.console", lambda: Console(file=StringIO(), force_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    halves = a_file(home, tmp_path / "duel.json", "match/0", "match/0")
    result = CliRunner().invoke(main, ["replay", halves, "--step"])
    assert (result.exit_code, keys) == (0, []), result.output


def test_an_author_asks_the_bot_again(home: House, tmp_path: Path) -> None:
    same, last, raising = (tmp_path / f"{name}.py" for name in ("same", "last", "raising"))
    for path, text in ((same, SAME), (last, LAST), (raising, RAISES)):
        path.write_text(text)

    agreed = call(home, "m_10", "--against", str(same))
    assert agreed.exit_code == 0, agreed.output
    assert agreed.stdout.count("answers are the same") == MATCHES

    other = call(home, "m_10/0", "--against", str(last), "--json")
    (found,) = json.loads(other.stdout)["matches"]
    assert other.exit_code == 1
    assert found["same"] is False
    assert found["differences"][0] == {"step": 0, "agent": "player_0", "then": 0, "now": 8}

    failed = call(home, "m_11/0", "--against", str(raising), "--json")
    (found,) = json.loads(failed.stdout)["matches"]
    assert failed.exit_code == 0, "it fails as it did then"
    assert found["failed_then"] is found["same"] is True
    assert (found["failure"]["code"], found["failure"]["match"]) == ("CRASH", "m_11/0")
    record = played(home).records(home.arena, played(home).find("m_11")[0])[0]
    assert found["failure"]["step"] == record.length
    assert "CRASH in phase act: match m_11/0" in call(home, "m_11/0", "--against", str(raising)).stdout

    mended = call(home, "m_11/0", "--against", str(same))
    assert mended.exit_code == 1
    assert "now: it does not fail" in mended.stdout


def test_in_whose_place(home: House, tmp_path: Path) -> None:
    path = tmp_path / "same.py"
    path.write_text(SAME)
    assert "in whose place? --as" in call(home, "m_20/0", "--against", str(path)).stderr
    assert "m_20/0 was played by random and perfect" in call(home, "m_20/0", "--against", str(path), "--as", "x").stderr
    assert "of" in call(home, "m_20/0", "--against", str(path), "--as", "perfect").stdout
    assert call(home, "m_20/0", "--as", "perfect").exit_code == 2
    assert call(home, "m_20/0", "--last").exit_code == 2
