"""What the page says about money, on sample books and on the document that the backtest makes."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from importlib.resources import files
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import Policy
from assay.market.costs import Costs, Funding
from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.splits import Receipt
from assay.market.trading import ALWAYS_FLAT, BUY_AND_HOLD, BacktestRule, measure, simulate
from assay.report import ReportFacts
from assay.report.elements import Block, Table
from assay.report.figures.entities import Earned, entity_figure
from assay.report.figures.entries import Among, entries_figure
from assay.report.figures.months import Month, month_grid, year_totals
from assay.report.figures.stress import Stressed, stress_figure, times
from assay.report.format import number, prose
from assay.report.sections.costs import assumptions, cost_block
from assay.report.sections.earned import earned_block
from assay.report.sections.stress import break_even_multiple, stress_block
from assay.report.view import HeadView, head_view

SECTIONS = (cost_block, stress_block, earned_block)
ROWS, BEGINS, SECOND = 120, 40, 80


@pytest.fixture
def signal(facts: ReportFacts) -> HeadView:
    return head_view(facts, "signal")


@pytest.fixture(scope="session")
def market() -> pl.DataFrame:
    """Two entities, bars of four hours over three weeks."""
    rng = np.random.default_rng(5)
    start = datetime(2024, 1, 20, tzinfo=UTC)
    table = {"time": [start + timedelta(hours=4 * bar) for bar in range(ROWS)], "volume": [1e4] * ROWS}
    prices = [100 * np.exp(rng.normal(0, 0.01, ROWS).cumsum()) for _ in range(2)]
    frames = [
        pl.DataFrame({"entity": entity, **table, **dict.fromkeys(("open", "high", "low", "close"), price)})
        for entity, price in zip(("A", "B"), prices, strict=True)
    ]
    return pl.concat(frames).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")), jump=pl.lit(value=False))


@pytest.fixture(scope="session")
def document(facts: ReportFacts, market: pl.DataFrame) -> dict[str, Any]:
    """The document of a backtest with every kind of cost and a policy that is chosen in each of two folds."""
    rng = np.random.default_rng(6)
    key = market.select("entity", "time").filter(pl.col("time") >= market["time"][BEGINS])
    fold = pl.when(pl.col("time") < market["time"][SECOND]).then(1).otherwise(2).alias("fold")
    models = list(facts.heads["signal"].evaluation["skill"])
    oos = pl.concat(
        key.select(pl.lit(model).alias("model"), pl.all(), fold).with_columns(
            pl.Series("y_pred", rng.integers(-1, 2, key.height), dtype=pl.Int8),
            *pl.DataFrame(rng.dirichlet((2, 2, 2), key.height), schema=["p_short", "p_neutral", "p_long"]),
        )
        for model in models
    )
    searched = {"sizing": {"kind": "threshold", "probability": 0.6}, "optimise": {"grid": {"probability": [0.0, 0.4]}}}
    rule = BacktestRule(
        costs=Costs(fee_bp=2, half_spread_bp=1, impact=0.5, borrow_bp=300),
        funding=Funding(kind="assumed", rate=0.0001, interval=timedelta(hours=8)),
        policy=Policy.model_validate(searched),
        capital=1e5,
    )
    plan = _plan(market, dict.fromkeys(models, "model"))
    ledger = simulate(market, oos, plan, rule=rule, settlements=None)
    return measure(market, ledger, plan, rule=rule, settlements=None)


def _plan(market: pl.DataFrame, roles: dict[str, str]) -> Plan:
    times = market["time"]
    folds = [
        Receipt(fold, times[0], times[first - 2], times[first - 1], times[first], times[first + 39], 1, 1, 0, 0)
        for fold, first in ((1, BEGINS), (2, SECOND))
    ]
    return Plan.model_validate(
        {"head": "signal", "kind": "classification", "roles": roles, "horizon": 3, "execution": Execution()}
        | {"feature_set_id": "f", "receipts": tuple(folds), "learning": Learning()}
    )


@pytest.fixture
def real(signal: HeadView, document: dict[str, Any]) -> HeadView:
    told = {"backtest": document["models"], "costs": document["said"], "funding": document["funding"]}
    return replace(signal, facts=replace(signal.facts, **told))


def _changed(view: HeadView, name: str, **fields: Any) -> HeadView:
    backtest = {**view.facts.backtest, name: {**view.facts.backtest[name], **fields}}
    return replace(view, facts=replace(view.facts, backtest=backtest))


def _tables(block: Block) -> dict[str, Table]:
    return {table.caption: table for table in [*block.tables, *(t for drawer in block.more for t in drawer.tables)]}


def _rows(table: Table) -> dict[str, dict[str, str]]:
    labels = [f"{column.label} {column.sub}".rstrip() for column in table.columns]
    return {row[0].text: {label: cell.text for label, cell in zip(labels, row, strict=True)} for row in table.rows}


@pytest.mark.parametrize("section", SECTIONS)
def test_what_was_charged_stands_beside_every_figure_after_costs(real: HeadView, section: Any) -> None:
    said = assumptions(real)
    assert prose("300 bp a year") in said
    assert "Funding is assumed to be 1 bp every 8 h" in said
    block = section(real)
    assert all(said in figure.caption for figure in block.figures)
    assert all(said in table.note for table in _tables(block).values() if table.caption not in ("Sizing", CHOSEN))
    assert said in cost_block(real).lede


CHOSEN = "Chosen in each fold, on the books of earlier folds"


def test_every_kind_of_cost_has_its_column(real: HeadView) -> None:
    table = _rows(_tables(cost_block(real))["From gross to net"])
    kinds = ("gross", "fees", "slippage", "impact", "borrow", "funding", "total_return")
    for name in ("xgboost", BUY_AND_HOLD):
        found = real.facts.backtest[name]["performance"]
        shown = list(table["XGBoost" if name == "xgboost" else name].values())[1:]
        assert shown == [number(found[kind], "share") for kind in kinds]
        assert found["gross"] - sum(found[kind] for kind in kinds[1:-1]) == pytest.approx(found["total_return"])
    assert min(real.facts.backtest["xgboost"]["performance"][kind] for kind in ("impact", "borrow")) > 0


def test_the_table_has_calmar_and_the_sharpe_ratio_that_knows_autocorrelation(signal: HeadView) -> None:
    found = signal.facts.backtest["xgboost"]["performance"]
    rows = _rows(_tables(cost_block(signal))["Performance after costs"])
    assert rows["XGBoost"]["Calmar"] == number(found["calmar"], "ratio")
    assert rows["XGBoost"]["Sharpe, Lo 2002"] == number(found["lo_sharpe"], "ratio")
    assert (rows[ALWAYS_FLAT]["Annual return"], rows[ALWAYS_FLAT]["Sharpe"]) == ("0.0\u202f%", "–")


def test_the_band_of_the_lead_is_drawn_and_said(signal: HeadView) -> None:
    figure, curve = cost_block(signal).figures[0], signal.facts.backtest["xgboost"]["curve"]
    ends = f"[{curve['low'][-1]:.2f}, {curve['high'][-1]:.2f}]"
    for svg in (figure.svg, figure.narrow):
        assert svg is not None
        assert svg.count("fill-opacity: 0.13") == 1
        assert ends in svg
        assert svg.count("[") == 1
    other = replace(signal, lead="lightgbm")
    assert ends not in cost_block(other).figures[0].svg


def test_the_deepest_drawdown_is_that_of_all_bars(signal: HeadView) -> None:
    """The curve holds 600 points at most, and the trough may lie between them."""
    deeper = {**signal.facts.backtest["xgboost"]["performance"], "max_drawdown": -0.987}
    view = _changed(signal, "xgboost", performance=deeper)
    assert "deepest drawdown −98.7\u202f%" in cost_block(view).figures[0].svg


def test_each_fold_says_what_it_chose_and_what_it_could_look_at(real: HeadView) -> None:
    table = _tables(cost_block(real))[CHOSEN]
    folds = real.facts.backtest["xgboost"]["policy"]["folds"]
    assert [row[0].text for row in table.rows] == ["Fold 1", "Fold 2"]
    assert [row[2].text for row in table.rows] == ["0", "40"]
    assert [row[3].text for row in table.rows] == ["–", folds[1]["until"][:10]]
    for place, name in enumerate(real.tried):
        chosen = real.facts.backtest[name]["policy"]["folds"]
        assert [row[4 + place].text for row in table.rows] == [
            f"probability {told['chosen']['probability']:g}" for told in chosen
        ]
    assert table.rows[0][4].text == "probability 0.6"


def test_a_policy_that_was_not_searched_is_told_in_words_alone(signal: HeadView) -> None:
    tables = _tables(cost_block(signal))
    assert CHOSEN not in tables
    assert _rows(tables["Sizing"])["XGBoost"]["What it does"] == "Every call takes 1 of the capital."


def test_break_even_is_where_what_trades_earn_pays_for_them(real: HeadView) -> None:
    for name in (*real.tried, BUY_AND_HOLD):
        book = real.facts.backtest[name]
        found = book["performance"]
        paid = sum(found[kind] for kind in ("fees", "slippage", "impact"))
        earned = found["gross"] - found["funding"] - found["borrow"]
        assert break_even_multiple(book) == pytest.approx(earned / paid)


def _book(free: float, charged: float, *, bp: float | None = 3.0) -> dict[str, Any]:
    """A book that earns so much a year without costs, and at those charged."""
    multiples = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
    rows = [{"multiple": multiple, "annual_return": free + multiple * (charged - free)} for multiple in multiples]
    return {"stress": rows, "break_even_bp": bp}


def test_break_even_is_undefined_where_trading_is_free() -> None:
    assert break_even_multiple(_book(0.06, 0.04)) == pytest.approx(3)
    assert break_even_multiple(_book(-0.01, -0.02)) == pytest.approx(-1)
    assert break_even_multiple(_book(0.06, 0.06)) is None


@pytest.mark.parametrize(
    ("annual", "bp", "said", "cell"),
    [
        ((0.06, 0.04), 3.0, "XGBoost breaks even at 3.0 bp of turnover, 3× what is charged.", "3×"),
        ((-0.01, -0.02), -1.0, "XGBoost loses before it pays for a single trade.", "none"),
        ((0.06, 0.06), 3.0, "XGBoost pays nothing for trading here, and breaks even at 3.0 bp of turnover.", "–"),
        ((0.0, 0.0), None, "XGBoost never trades, so costs take nothing.", "–"),
    ],
)
def test_what_survives_is_said(signal: HeadView, annual: Any, bp: float | None, said: str, cell: str) -> None:
    book = _book(*annual, bp=bp)
    stress = [{**row, "sharpe": None if bp is None else 5 * row["annual_return"]} for row in book["stress"]]
    block = stress_block(_changed(signal, "xgboost", stress=stress, break_even_bp=bp))
    assert block.reading.startswith(said)
    assert _rows(block.tables[0])["XGBoost"]["Break-even times the costs"] == cell


def test_capacity_is_told_as_an_amount(real: HeadView) -> None:
    book = real.facts.backtest["xgboost"]
    view = _changed(real, "xgboost", capacity={"capital": 1234567.8, "said": "At 1,234,568 it is gone."})
    block = stress_block(view)
    assert _rows(block.tables[0])["XGBoost"]["Capacity quote currency"] == "1\u202f234\u202f568"
    assert block.reading.endswith("Capacity: at 1\u202f234\u202f568 it is gone.")
    none = stress_block(_changed(real, "xgboost", capacity={**book["capacity"], "capital": None}))
    assert _rows(none.tables[0])["XGBoost"]["Capacity quote currency"] == "–"


def _line(break_even: float | None) -> str:
    return stress_figure([Stressed("m", (0.0, 1.0, 4.0), (0.6, 0.4, -0.2), break_even, "lead")], wide=True, slug="s")


def test_the_break_even_point_is_marked_inside_the_drawing_and_pointed_at_beyond_it() -> None:
    inside, beyond, none = _line(3.0), _line(18.8), _line(-2.0)
    assert ">breaks even at 3×</text>" in inside
    assert ">breaks even at 18.8× →</text>" in beyond
    assert ">breaks even" not in none + _line(None)
    diamonds = [svg.count("stroke: var(--surface)") for svg in (inside, beyond, none)]
    assert diamonds[0] > diamonds[1] == diamonds[2] == 0
    assert "0.60 at 0×, 0.40 at 1×, −0.20 at 4×, breaks even at 3×" in inside
    assert times(0.5) == "0.5×"


def test_a_book_that_never_moves_is_not_drawn(signal: HeadView) -> None:
    stress = [{"multiple": 0.0, "sharpe": None, "annual_return": 0.0}]
    found = {"stress": stress, "break_even_bp": None}
    assert len(stress_block(_changed(signal, "xgboost", **found)).figures) == 1  # random entries are left
    # the best of the others is
    second = signal.top[1]
    svg = stress_block(_changed(signal, second, **found)).figures[0].svg
    assert stress_block(signal).figures[0].svg.count("breaks even at") - svg.count("breaks even at") == 1


def test_random_entries_show_where_the_book_lies(signal: HeadView) -> None:
    block = stress_block(signal)
    row = _rows(block.tables[1])["XGBoost"]
    assert (row["Random entries median"], row["Beaten"], row["Episodes"]) == ("0.11", "61.0\u202f%", "212")
    own = number(signal.facts.backtest["xgboost"]["performance"]["sharpe"]["value"], "ratio")
    assert f"XGBoost {own}, the others 0.11 [−0.52, 0.74]" in block.figures[1].svg
    assert "Better than 61\u202f% of 1\u202f000 books." in block.reading
    assert "class prior" not in block.figures[1].svg
    assert "class prior" not in _rows(block.tables[1])
    assert "last sign" in _rows(block.tables[1])


def test_books_that_cannot_be_moved_are_left_out_of_the_drawing(signal: HeadView) -> None:
    none = {"entries": 0, "sharpe": dict.fromkeys(("low", "median", "high")), "beaten": None, "said": "Too short."}
    view = signal
    for name in signal.facts.backtest:
        view = _changed(view, name, random=none) if signal.facts.backtest[name]["random"] else view
    block = stress_block(view)
    assert [figure.title for figure in block.figures] == ["Sharpe ratio at other costs"]
    assert _rows(block.tables[1])["XGBoost"]["Beaten"] == "–"


def test_a_dot_beyond_the_bar_lies_right_of_it() -> None:
    svg = entries_figure([Among("m", 2.0, -1.0, 0.0, 1.0, lead=True)], wide=False, slug="e")
    bar = re.search(r'<path d="M ([\d.]+) [\d.]+ L ([\d.]+) [\d.]+ "[^>]*stroke-width: 9', svg)
    dot = re.search(r'<use href="#[^"]+" x="([\d.]+)"[^>]*fill: var\(--accent\)', svg)
    assert bar is not None
    assert dot is not None
    left, right = map(float, bar.groups())
    assert float(dot[1]) == pytest.approx(right + (right - left) / 2, abs=0.1)


def test_months_of_a_year_add_up_to_the_return(signal: HeadView, real: HeadView) -> None:
    for view in (signal, real):
        table = _rows(_tables(earned_block(view))["Net return by year"])
        years = list(table)[:-1]
        monthly = view.facts.backtest["xgboost"]["monthly"]
        assert years == sorted({one["month"][:4] for one in monthly})
        for year in years:
            total = sum(one["ret"] for one in monthly if one["month"].startswith(year))
            assert table[year]["XGBoost"] == number(total, "share")
        assert table["All"]["XGBoost"] == number(sum(one["ret"] for one in monthly), "share")


def test_the_reading_counts_months_and_takes_the_best_away(signal: HeadView) -> None:
    rets = [0.05, -0.01, 0.0, 0.02, -0.03, 0.01, 0.01, 0.01, 0.01, 0.01]
    monthly = [{"month": f"2020-{month:02d}", "ret": ret} for month, ret in enumerate(rets, start=1)]
    held = [{"month": one["month"], "ret": 0.01} for one in monthly]
    view = _changed(_changed(signal, "xgboost", monthly=monthly), BUY_AND_HOLD, monthly=held)
    assert earned_block(view).reading == prose(
        "XGBoost won in 7 and lost in 2 of 10 months; the best was 2020-01 with 5.0%, the worst 2020-05 with -3.0%. "
        "Without its best 1 month 3.0% of 8.0% is left; of buy and hold, without its own, 9.0% of 10.0%."
    )
    still = [{"month": one["month"], "ret": 0.0} for one in monthly]
    reading = earned_block(_changed(signal, "xgboost", monthly=still)).reading
    assert reading == "XGBoost earned and lost nothing in 10 months."


MONTHS = [Month(2020, 1, 0.05), Month(2020, 2, -0.02), Month(2020, 4, 0.0), Month(2021, 12, -0.0004)]


def test_every_month_has_its_number_and_its_colour() -> None:
    svg = month_grid(MONTHS, wide=True, slug="m", title="Return")
    assert re.findall(r">([−\d.]+)</text>", svg) == ["5.0", "−2.0", "0.0", "0.0", "2020", "2021", "3.0", "0.0"]
    fills = re.findall(r"fill: var\(--(long|short|soft)\)", svg)
    assert sorted(fills) == ["long", "short", "short", "soft"]
    assert "2020 3.0\u202f% (Jan 5.0\u202f%, Feb −2.0\u202f%, Apr 0.0\u202f%); 2021 0.0\u202f% (Dec 0.0\u202f%)" in svg
    assert year_totals(MONTHS) == pytest.approx({2020: 0.03, 2021: -0.0004})
    assert Month.read("2020-02", -0.02) == MONTHS[1]


def test_numbers_of_months_fit_their_fields() -> None:
    """A field is 25 pixels wide where the page is narrow: four characters."""
    for largest, wide, shown in (
        (-0.12, False, "−12"),
        (0.05, False, "5.0"),
        (0.004, True, "0.40"),
        (0.12, True, "12.0"),
    ):
        svg = month_grid([Month(2020, 1, largest), Month(2020, 2, 0.001)], wide=wide, slug="m", title="Return")
        assert f">{shown}</text>" in svg
    narrow = month_grid([Month(2020, 1, -0.0994)], wide=False, slug="m", title="Return")
    assert all(len(text) <= 4 for text in re.findall(r">([−\d.]+)</text>", narrow))


def test_a_wild_month_does_not_pale_the_others() -> None:
    usual = [Month(2020, month, 0.02) for month in range(1, 12)]
    svg = month_grid([*usual, Month(2020, 12, 0.5)], wide=True, slug="m", title="Return")
    assert len(set(re.findall(r"fill-opacity: ([\d.]+)", svg))) == 1


def _theme(name: str) -> Mapping[str, str]:
    css = (files("assay.report") / "templates" / "style.css").read_text(encoding="utf-8")
    start = css.index("color-scheme: dark" if name == "dark" else "color-scheme: light;\n  --page")
    return dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css[start : css.index("}", start)]))


def _luminance(channels: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("side", ["long", "short"])
def test_numbers_read_well_on_the_strongest_colour(theme: str, side: str) -> None:
    found = _theme(theme)
    svg = month_grid([Month(2020, 1, 0.05), Month(2020, 2, -0.05)], wide=True, slug="m", title="Return")
    alpha = max(map(float, re.findall(r"fill-opacity: ([\d.]+)", svg)))
    rgb = {name: [int(found[name][i : i + 2], 16) / 255 for i in (1, 3, 5)] for name in (side, "surface", "ink")}
    ground = [alpha * over + (1 - alpha) * under for over, under in zip(rgb[side], rgb["surface"], strict=True)]
    lighter, darker = sorted((_luminance(ground), _luminance(rgb["ink"])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_entities_that_moved_the_book_most_are_drawn(signal: HeadView) -> None:
    mine = [{"name": f"e{place}", "ret": 0.01 * place * (-1) ** place, "sharpe": 0.1} for place in range(20)]
    held = [{**one, "ret": 0.5} for one in mine]
    view = signal
    for name in signal.facts.backtest:
        view = _changed(view, name, by_entity=held if name == BUY_AND_HOLD else mine)
    block = earned_block(view)
    figure = block.figures[1]
    assert figure.title == "The 14 entities that moved it most"
    names = re.findall(r">(e\d+)</text>", figure.svg)
    assert names[0] == "e18"
    assert names[-1] == "e19"
    assert sorted(int(name[1:]) for name in names) == list(range(6, 20))
    assert "e18 18.0\u202f%, held 50.0\u202f%" in figure.svg
    every = _tables(block)["Net return by entity, on its own share of the capital"]
    assert len(every.rows) == 20
    assert (every.rows[18][1].text, every.rows[18][1].sub) == ("18.0\u202f%", "0.10")


def test_one_entity_is_not_compared_with_itself(signal: HeadView) -> None:
    view = signal
    for name in signal.facts.backtest:
        view = _changed(view, name, by_entity=signal.facts.backtest[name]["by_entity"][:1])
    assert len(earned_block(view).figures) == 1
    assert "held 30.0\u202f%" in entity_figure([Earned("e", 0.1, 0.3)], wide=False, slug="e", title="t")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_head_that_is_not_traded_has_no_money(signal: HeadView, section: Any) -> None:
    bare = replace(signal, facts=replace(signal.facts, traded=False, backtest={}, significance={}))
    assert section(bare).empty
    assert not section(signal).empty


@pytest.mark.parametrize(
    "path",
    [
        (ALWAYS_FLAT,),
        ("xgboost", "performance", "calmar"),
        ("xgboost", "performance", "borrow"),
        ("xgboost", "curve", "low"),
        ("xgboost", "monthly", 0, "ret"),
        (BUY_AND_HOLD, "by_entity", 0, "sharpe"),
        (BUY_AND_HOLD, "stress", 0, "annual_return"),
        ("xgboost", "capacity", "said"),
        ("xgboost", "random", "beaten"),
        ("xgboost", "random", "sharpe", "median"),
        ("xgboost", "policy", "folds", 0, "until"),
        ("last_sign", "episodes"),
    ],
)
def test_books_that_are_not_whole_are_refused(real: HeadView, path: tuple[Any, ...]) -> None:
    backtest = deepcopy(dict(real.facts.backtest))
    *outer, last = path
    del reduce(lambda part, name: part[name], outer, backtest)[last]
    with pytest.raises(DataError, match=rf"found: no {last}"):
        replace(real.facts, backtest=backtest)
