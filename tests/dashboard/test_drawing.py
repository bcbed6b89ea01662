"""How values and series look: filters and charts."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from app.dashboard.display import charts, filters


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1284, "1,284"), (1.0, "1"), (0.25, "0.25"), (12.34, "12.3"), (-3, "-3")],
)
def test_numbers(value: float, text: str) -> None:
    assert filters.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 %"), (0.098, "9.8 %"), (0.5, "50 %"), (1, "100 %"), (0.001, "0.1 %")]
)
def test_shares(value: float, text: str) -> None:
    assert filters.share(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0012, "1 ms"),
        (0.0999, "0.1 s"),
        (0.84, "0.8 s"),
        (2.0, "2 s"),
        (9.96, "10 s"),
        (134, "2 min 14 s"),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert filters.span(seconds) == text


def test_a_time_has_utc_in_its_title_whatever_a_script_makes_of_it() -> None:
    shown = filters.time("2026-11-26 08:00:12.340")
    assert 'datetime="2026-11-26T08:00:12.340Z"' in shown
    assert 'title="2026-11-26 08:00:12 UTC"' in shown
    assert filters.time("2026-11-26T08:00:12.340Z") == shown
    assert filters.time(None) == ""


def test_how_long_ago() -> None:
    as_of = "2026-11-26 08:00:00.000"
    assert ">3 min ago</time>" in filters.ago("2026-11-26 07:57:00.000", as_of)
    assert ">in 1 h</time>" in filters.ago("2026-11-26 09:00:00.000", as_of)
    assert ">now</time>" in filters.ago(as_of, as_of)
    assert ">26 Nov 2026, 07:57 UTC</time>" in filters.ago("2026-11-26 07:57:00.000")


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 4), (7, 8), (9, 10), (11, 20), (99, 100), (4001, 6000)]
)
def test_an_axis_ends_at_a_round_number(most: int, top: int) -> None:
    assert charts.round_up(most) == top


def test_bars_stand_on_each_other_and_on_the_axis() -> None:
    chart = charts.BarChart([10, 0, 5], [0, 0, 5], ("then", "", "now"), "a <label>")
    html = chart.__html__()
    assert html.count('class="ok"') == 2
    assert html.count('class="wrong"') == 1
    assert 'y="0.0" width="192.0" height="150.0"' in html
    assert 'aria-label="a &lt;label&gt;"' in html


def test_a_chart_of_nothing() -> None:
    assert "<rect" not in charts.BarChart([], [], ("", "", ""), "none").__html__()
    assert "path" in charts.sparkline([], "none")
    assert isinstance(charts.sparkline([1, 2], "two"), Markup)
