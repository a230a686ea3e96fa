"""Models against baselines: the strongest decides; one row per head, model and metric."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from assay.report import ReportFacts, comparison_table
from assay.report.comparison import strongest
from assay.report.view import HeadView


@pytest.fixture
def view(facts: ReportFacts) -> Callable[..., HeadView]:
    """Return a function that makes a head on which xgboost is compared on MCC as given."""

    def make(versus: dict[str, Any], better: str = "higher") -> HeadView:
        head = facts.heads["signal"]
        evaluation = deepcopy(dict(head.evaluation))
        evaluation["metric_info"]["mcc"]["better"] = better
        mine = evaluation["models"]["xgboost"]["versus"]
        full = mine["last_sign"]
        evaluation["models"]["xgboost"]["versus"] = {name: full | entry for name, entry in versus.items()}
        return HeadView("h", replace(head, evaluation=evaluation), lead="xgboost", metric="mcc", declared=True)

    return make


def _entry(difference: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"mcc": {"difference": difference, "low": low, "high": high}}


def test_strongest_baseline_leaves_the_smallest_advantage(view: Callable[..., HeadView]) -> None:
    versus = strongest(view({"a": _entry(0.3, 0.2, 0.4), "b": _entry(0.1, -0.1, 0.3)}), "xgboost", "mcc")
    assert versus is not None
    assert (versus.baseline, versus.wins, versus.loses) == ("b", False, False)


def test_lower_is_better_turns_the_sides_round(view: Callable[..., HeadView]) -> None:
    versus = strongest(
        view({"a": _entry(-0.3, -0.4, -0.2), "b": _entry(-0.1, -0.15, -0.05)}, "lower"), "xgboost", "mcc"
    )
    assert versus is not None
    assert (versus.baseline, versus.wins, versus.loses) == ("b", True, False)


@pytest.mark.parametrize(("low", "high", "wins", "loses"), [(0.1, 0.2, True, False), (-0.2, -0.1, False, True)])
def test_only_an_interval_on_one_side_of_zero_decides(
    view: Callable[..., HeadView], low: float, high: float, wins: bool, loses: bool
) -> None:
    versus = strongest(view({"a": _entry((low + high) / 2, low, high)}), "xgboost", "mcc")
    assert versus is not None
    assert (versus.wins, versus.loses) == (wins, loses)


def test_undefined_differences_are_no_comparison(view: Callable[..., HeadView]) -> None:
    assert strongest(view({"a": _entry(None, None, None), "b": _entry(None, None, None)}), "xgboost", "mcc") is None
    no_interval = strongest(view({"a": _entry(0.3, None, None)}), "xgboost", "mcc")
    assert no_interval is not None
    assert not no_interval.wins
    assert not no_interval.loses


def test_grain_is_head_model_metric(facts: ReportFacts) -> None:
    table = comparison_table(facts)
    assert not table.select("head", "model", "metric").is_duplicated().any()
    expected = sum(len(h.evaluation["models"]) * len(h.evaluation["metric_info"]) for h in facts.heads.values())
    assert table.height == expected


def test_values_are_those_of_the_evaluation(facts: ReportFacts) -> None:
    row = comparison_table(facts).row(
        by_predicate=(pl.col("head") == "signal")
        & (pl.col("model") == "xgboost")
        & (pl.col("metric") == "direction_ic"),
        named=True,
    )
    entry = facts.heads["signal"].evaluation["models"]["xgboost"]
    found = entry["metrics"]["direction_ic"]
    assert [row[name] for name in ("value", "low", "high")] == [found[name] for name in ("value", "low", "high")]
    assert row["fold_std"] == entry["fold_std"]["direction_ic"]
    assert row["difference"] == entry["versus"][row["baseline"]]["direction_ic"]["difference"]
    assert row["difference"] == min(
        v["direction_ic"]["difference"] for v in entry["versus"].values() if v["direction_ic"]["difference"] is not None
    )


def test_undefined_is_null_not_zero(facts: ReportFacts) -> None:
    row = comparison_table(facts).filter(pl.col("model") == "class_prior", pl.col("metric") == "direction_ic")
    assert row["value"].to_list() == [None]
