"""The JSON of every table against its published schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from league.cli import main
from league.export import render
from league.reports import TABLES, documents
from league.runs import RunFolder
from matchmaking.records import SCHEMA
from matchmaking.service import Matchmaker
from tests.league.json_schema import FOLDER, faults, published

PUBLISHED = sorted(documents.DOCUMENTS | documents.OF_TOURNAMENTS)


def test_every_table_has_its_schema_and_no_schema_is_left_over() -> None:
    assert set(TABLES) == set(documents.DOCUMENTS)
    assert set(PUBLISHED) == {path.stem for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("table", PUBLISHED)
def test_the_published_schemas_are_of_the_models(table: str) -> None:
    command = f"league export {table} --schema -o league/schemas/{table}.json"
    assert published(table) == documents.schema(table), f"the models have changed: {command}"


@pytest.mark.parametrize("table", TABLES)
def test_an_export_is_what_its_schema_says(table: str, matchmaker: Matchmaker, made_up: RunFolder) -> None:
    exported = json.loads(render(TABLES[table](matchmaker, made_up), "json"))
    assert list(faults(exported, published(table))) == []
    documents.DOCUMENTS[table].model_validate_json(json.dumps(exported))


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_fields_of_the_schemas_rows(table: str, matchmaker: Matchmaker, made_up: RunFolder) -> None:
    data = TABLES[table](matchmaker, made_up)
    schema = published(table)
    row = schema["$defs"][schema["properties"][data.key]["items"]["$ref"].removeprefix("#/$defs/")]
    assert data.columns == tuple(row["properties"])
    assert set(data.columns) == set(row["required"])


def test_a_wrong_document_is_noticed(matchmaker: Matchmaker, made_up: RunFolder) -> None:
    data = json.loads(render(TABLES["leaderboard"](matchmaker, made_up), "json"))
    schema = published("leaderboard")
    first = data["players"][0]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rank": "1"}, "$.players[0].rank"),
        ({"kind": "human"}, "$.players[0].kind"),
    ]
    for change, said in wrong:
        found = list(faults(data | {"players": [first | change]}, schema))
        assert any(said in fault for fault in found), found
    assert list(faults(data | {"schema": SCHEMA + 1}, schema)) == [f"$.schema: {SCHEMA + 1} is not {SCHEMA}"]
    del first["elo"]
    assert list(faults(data, schema)) == ["$.players[0]: no elo"]


def test_readers_take_what_a_later_version_adds_and_we_add_nothing_unknown(
    matchmaker: Matchmaker, made_up: RunFolder
) -> None:
    data = json.loads(render(TABLES["leaderboard"](matchmaker, made_up), "json"))
    later = data | {"new": 1, "players": [data["players"][0] | {"new": 2}]}
    assert list(faults(later, published("leaderboard"))) == []
    with pytest.raises(ValidationError, match="new"):
        documents.DOCUMENTS["leaderboard"].model_validate_json(json.dumps(later))


def test_fields_are_described() -> None:
    rows = published("leaderboard")["$defs"]["Standing"]["properties"]
    assert rows["superiority"]["description"] == "probability of being stronger than the player of the next row."
    assert rows["rating"]["description"].startswith("Elo scale")


def test_the_command_prints_a_schema_without_a_run() -> None:
    result = CliRunner().invoke(main, ["export", "crosstable", "--schema"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == published("crosstable")


def test_the_command_has_the_schemas_of_tournaments_and_says_where_their_tables_are() -> None:
    result = CliRunner().invoke(main, ["export", "standings", "--schema"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == published("standings")
    refused = CliRunner().invoke(main, ["export", "standings"])
    assert refused.exit_code == 2
    assert "standings are of a tournament: `league tournament --resume NAME -o FOLDER` writes them" in refused.stderr
