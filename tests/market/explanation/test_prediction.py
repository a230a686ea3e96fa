"""One answer: the row that is meant, and parts that sum to it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.explanation import explain_prediction, find_row, fold_of
from assay.market.recipe import Recipe, open_recipe
from assay.market.tables import KEY, TIME
from assay.market.walk_forward import fold_bundle
from assay.market.workload import Kind

Fit = Callable[[Kind], Any]
START = datetime(2020, 1, 1, tzinfo=UTC)


def recipe_of(head: Any, model: str, fold: int) -> Recipe:
    return open_recipe(fold_bundle(head.fold_models[model], fold), feature_set_id="set-1")


@pytest.mark.parametrize("model", ["xgboost", "lightgbm", "logistic", "forest"])
def test_parts_sum_to_the_answer(fitted: Fit, model: str) -> None:
    head = fitted("classification")
    row = head.predictions[model].filter(fold=2).row(7, named=True)
    features, _ = head.plan.open(head.model_input)
    rows = find_row(features, row["entity"], row["time"])
    found = explain_prediction(recipe_of(head, model, 2), features, rows)
    assert found is not None
    assert found.answer == pytest.approx({name: row[f"p_{name.lower()}"] for name in ("SHORT", "NEUTRAL", "LONG")})
    short, long = row["p_short"], row["p_long"]
    assert found.total == pytest.approx(long - short if model == "forest" else np.log(long / short), abs=1e-5)
    largest, rest = found.largest(2)
    assert found.base + largest["shap"].sum() + rest == pytest.approx(found.total)
    assert found.parts["shap"].abs().is_sorted(descending=True)


def test_a_forecast_is_taken_apart_in_returns(fitted: Fit) -> None:
    head = fitted("regression")
    row = head.predictions["ridge"].filter(fold=1).row(3, named=True)
    features, _ = head.plan.open(head.model_input)
    rows = find_row(features, row["entity"], row["time"])
    found = explain_prediction(recipe_of(head, "ridge", 1), features, rows)
    assert found is not None
    assert found.unit == "return"
    assert found.total == pytest.approx(row["y_pred"], abs=1e-9)
    raw = features.filter(rows)
    assert {part["feature"]: part["value"] for part in found.parts.to_dicts()} == pytest.approx(
        {name: raw[name][0] for name in found.parts["feature"]}, nan_ok=True
    )


def test_a_model_that_reads_nothing_is_not_explained(fitted: Fit) -> None:
    head = fitted("regression")
    features, _ = head.plan.open(head.model_input)
    rows = find_row(features, "E0", features["time"][0])
    assert explain_prediction(recipe_of(head, "zero", 1), features, rows) is None


def test_the_fold_is_the_one_that_tests_the_row(fitted: Fit) -> None:
    head = fitted("classification")
    table = head.predictions["xgboost"]
    for fold, time in table.select("fold", "time").unique().iter_rows():
        assert fold_of(head.plan.receipts, time) == fold
    assert fold_of(head.plan.receipts, table["time"].min() - timedelta(hours=1)) is None
    assert fold_of(head.plan.receipts, table["time"].max() + timedelta(hours=1)) is None


@pytest.fixture
def keys() -> pl.DataFrame:
    """SP500 once a day, BTC every six hours."""
    times = {"BTCUSDT": (timedelta(hours=6), 40), "SP500": (timedelta(days=1), 10)}
    rows = [(entity, START + step * number) for entity, (step, count) in times.items() for number in range(count)]
    return pl.DataFrame(rows, schema={"entity": pl.String, "time": TIME}, orient="row")


def test_a_time_or_a_day_names_the_row(keys: pl.DataFrame) -> None:
    for entity, when in (("SP500", START + timedelta(days=3)), ("SP500", date(2020, 1, 4))):
        assert keys.filter(find_row(keys, entity, when)).rows() == [("SP500", START + timedelta(days=3))]
    six = START + timedelta(hours=6)
    assert keys.filter(find_row(keys, "BTCUSDT", six)).select(KEY).rows() == [("BTCUSDT", six)]


@pytest.mark.parametrize(
    ("entity", "when", "said"),
    [
        ("SP50", START, r"entity 'SP50': has no rows.*\n  found: BTCUSDT, SP500\n  what to do: did you mean SP500\?"),
        ("btcusdt", START, r"did you mean BTCUSDT\?"),
        ("EURUSD", START, "what to do: (name one of these|did you mean BTCUSDT)"),
        (
            "SP500",
            START + timedelta(hours=80),
            r"SP500 at 2020-01-04 08:00: is no row(.|\n)*from 2020-01-01 00:00 to 2020-01-10 00:00 \(UTC\)\n"
            r"  found: nearest rows: 2020-01-03 00:00, 2020-01-04 00:00, 2020-01-05 00:00\n",
        ),
        ("SP500", date(2021, 5, 1), "found: nearest rows: 2020-01-08 00:00, 2020-01-09 00:00, 2020-01-10 00:00"),
        (
            "BTCUSDT",
            date(2020, 1, 2),
            r"BTCUSDT on 2020-01-02: has 4 rows on that date\n  found: 2020-01-02 00:00 to 2020-01-02 18:00 \(UTC\)\n"
            "  what to do: give the time too, e.g. 2020-01-02T00:00$",
        ),
    ],
)
def test_a_row_that_is_not_there_is_answered_with_those_near(
    keys: pl.DataFrame, entity: str, when: date, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        find_row(keys, entity, when)
