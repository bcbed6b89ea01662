"""Lists as CSV and JSON: what spreadsheets make of them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from app.dashboard.display import export
from app.dashboard.page_request import PageRequest
from app.dashboard.visit import Visit
from app.site import Site


def file_of(wanted: str, rows: Any, columns: Any = (), **more: Any) -> Any:
    site: Any = Site.__new__(Site)
    visit = Visit(PageRequest("GET", "/tasks", f"format={wanted}"), site, None)
    assert export.format_of(visit) == wanted
    return export.file_of(visit, "things", rows, columns, **more)


def cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_csv_has_a_header_and_a_row_for_each() -> None:
    rows = [{"id": 1, "name": "a,b", "tags": ["x", "y"]}, {"id": 2, "name": None, "tags": []}]
    response = file_of("csv", rows)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="things.csv"'
    assert cells(response.body()) == [["id", "name", "tags"], ["1", "a,b", "x, y"], ["2", "", ""]]


def test_excel_is_told_that_it_is_utf_8() -> None:
    assert file_of("csv", [{"name": "süß"}]).body() == b"\xef\xbb\xbfname\r\n" + "süß\r\n".encode()


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\uff1d1",
        "=cmd|' /C calc'!A0",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    ((_,), (found,)) = cells(file_of("csv", [{"name": text}]).body())
    assert found == f"'{text}"


def test_a_list_of_texts_is_no_formula_either() -> None:
    assert export.cell(["=1+1", "b"]) == "'=1+1, b"


def test_numbers_stay_numbers() -> None:
    assert [export.cell(value) for value in (-5, 0.5, True, None)] == [-5, 0.5, "true", ""]


def test_a_long_cell_is_cut_as_excel_needs_it() -> None:
    found = str(export.cell({"text": "x" * 100_000}))
    assert len(found) == export.LONGEST_CELL
    assert found.endswith("…")


def test_what_is_no_text_is_shown_as_such() -> None:
    assert export.cell("a\x00b\x1b[31mc\ud800") == "a\ufffdb\ufffd[31mc\ufffd"


def test_json_has_the_values_as_they_are() -> None:
    response = file_of("json", [{"id": 1, "params": {"=": [None]}}], total=7)
    assert response.headers["Content-Disposition"] == 'attachment; filename="things.json"'
    assert json.loads(response.body()) == {
        "things": [{"id": 1, "params": {"=": [None]}}],
        "count": 1,
        "total": 7,
        "is_capped": False,
    }


def test_a_file_with_a_part_of_the_list_says_so() -> None:
    response = file_of("csv", [{"id": 2}, {"id": 1}], is_capped=True)
    assert response.headers["Content-Disposition"] == 'attachment; filename="things-first-2.csv"'
    assert json.loads(file_of("json", [{"id": 2}], is_capped=True).body())["is_capped"] is True


def test_no_file_has_more_rows_than_spreadsheets_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 2)
    data = json.loads(file_of("json", [{"id": 3}, {"id": 2}, {"id": 1}]).body())
    assert (data["things"], data["is_capped"]) == ([{"id": 3}, {"id": 2}], True)


def test_an_empty_list_has_its_columns() -> None:
    assert cells(file_of("csv", [], ["id", "name"]).body()) == [["id", "name"]]
    assert json.loads(file_of("json", [], ["id"]).body()) == {
        "things": [],
        "count": 0,
        "is_capped": False,
    }


@pytest.mark.parametrize("wanted", ["", "xml", "csv2"])
def test_everything_else_is_a_page(wanted: str) -> None:
    site: Any = Site.__new__(Site)
    visit = Visit(PageRequest("GET", "/tasks", f"format={wanted}"), site, None)
    assert export.format_of(visit) == ""
