"""Models against baselines: the strongest decides; one row per head, model and metric."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from assay.report import ReportFacts, comparison_table
from assay.report.comparison import contest_ranks, strongest
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


def test_the_place_in_the_contest_is_that_of_the_model_whatever_the_metric(facts: ReportFacts) -> None:
    table = comparison_table(facts).filter(pl.col("head") == "signal")
    models = facts.heads["signal"].contest["models"]
    rows = {row["model"]: row for row in table.select("model", "rank", "mcs_p", "inside").unique().to_dicts()}
    assert len(rows) == table["model"].n_unique()
    assert {name: row["mcs_p"] for name, row in rows.items() if row["rank"]} == {
        n: m["mcs_p"] for n, m in models.items()
    }
    best = min(models, key=lambda name: models[name]["mean_loss"])
    assert (rows[best]["rank"], rows[best]["inside"]) == (1, True)
    assert [rows["class_prior"][name] for name in ("rank", "mcs_p", "inside")] == [None] * 3


def test_models_without_a_loss_come_last() -> None:
    models = {name: {"mean_loss": loss} for name, loss in (("a", None), ("b", 0.2), ("c", -0.1))}
    assert contest_ranks({"models": models}) == {"c": 1, "b": 2, "a": 3}
