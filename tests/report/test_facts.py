"""Facts that contradict themselves or are not whole are refused."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, fields
from functools import reduce
from typing import Any, get_args

import pytest

from assay.market.errors import DataError
from assay.market.verdict import Level
from assay.report import HeadFacts, ReportFacts
from assay.report.sections.hero import hero


def test_unknown_level_is_an_error(facts: ReportFacts, change: Callable[..., ReportFacts]) -> None:
    with pytest.raises(
        DataError, match=r"verdict\.level: unknown name\n  expected: no evidence, weak, .*\n  found: good"
    ):
        change(verdict={**facts.verdict, "level": "good"})


@pytest.mark.parametrize(("field", "name"), [("head", "price"), ("model", "lstm"), ("metric", "luck")])
def test_primary_that_is_not_there_is_an_error(
    facts: ReportFacts, change: Callable[..., ReportFacts], field: str, name: str
) -> None:
    with pytest.raises(DataError, match=rf"primary\.{field}: unknown name(.|\n)*found: {name}"):
        change(primary={**facts.primary, field: name})


def test_the_levels_are_those_of_the_verdict(facts: ReportFacts) -> None:
    assert tuple(level for level, _ in hero(facts).levels) == get_args(Level)


def _without(head: HeadFacts, *path: str | int) -> dict[str, Any]:
    found = deepcopy({field.name: getattr(head, field.name) for field in fields(head)})
    *outer, last = path
    del reduce(lambda part, name: part[name], outer, found)[last]
    return found


@pytest.mark.parametrize(
    "path",
    [
        ("evaluation", "confidence"),
        ("evaluation", "class_shares"),
        ("evaluation", "metric_info", "mcc", "unit"),
        ("evaluation", "models", "xgboost", "role"),
        ("evaluation", "models", "xgboost", "roc"),
        ("evaluation", "models", "xgboost", "fold_std", "mcc"),
        ("evaluation", "models", "xgboost", "metrics", "mcc"),
        ("evaluation", "models", "xgboost", "metrics", "mcc", "low"),
        ("evaluation", "models", "xgboost", "folds", 0, "mcc"),
        ("evaluation", "models", "xgboost", "versus", "last_sign", "mcc"),
        ("evaluation", "models", "xgboost", "versus", "last_sign", "mcc", "difference"),
        ("evaluation", "skill", "xgboost"),
        ("evaluation", "skill", "xgboost", "direction", "t_hac"),
        ("receipts", 0, "purged_rows"),
        ("label_manifest", "threshold"),
        ("importance", 0, "low"),
        ("backtest", "buy and hold"),
        ("backtest", "xgboost"),
        ("backtest", "xgboost", "performance", "fees"),
        ("backtest", "xgboost", "performance", "sharpe", "high"),
        ("backtest", "xgboost", "curve", "equity"),
        ("trials", 0, "score"),
        ("bundles", 0, "bundle_id"),
        ("bundles", 0, "training", "rows"),
        ("trials", 0, "state"),
        ("searches", "xgboost"),
        ("searches", "xgboost", "spans"),
        ("ensembles", "fits"),
        ("ensembles", "contenders", "stacking", "absent"),
        ("ensembles", "contenders", "stacking", "folds", 0, "fallback"),
        ("ensembles", "contenders", "stacking", "final", "weights"),
        ("calibration", "method"),
        ("calibration", "models", "xgboost", "brier", "raw"),
        ("calibration", "models", "xgboost", "ece", "null_95"),
        ("calibration", "models", "xgboost", "folds", 0, "said"),
        ("calibration", "models", "xgboost", "reliability", 0, "share"),
        ("explanation", "left_out"),
        ("shap_sample", 0, "shap"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_head_with_anything_missing_is_an_error(facts: ReportFacts, path: tuple[str | int, ...]) -> None:
    with pytest.raises(DataError, match=rf"report facts, .*: incomplete(.|\n)*found: no {path[-1]}"):
        HeadFacts(**_without(facts.heads["signal"], *path))


def test_a_head_of_another_kind_or_without_models_is_an_error(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    with pytest.raises(DataError, match="kind of the head: unknown name"):
        HeadFacts(**head | {"kind": "regression"})
    with pytest.raises(DataError, match=r"models of the evaluation(.|\n)*at least one"):
        HeadFacts(**head | {"evaluation": {**head["evaluation"], "models": {}}})


@pytest.mark.parametrize(
    "path",
    [
        ("calibration", "coverage"),
        ("calibration", "models", "xgboost", "infinite"),
        ("calibration", "models", "xgboost", "by_month", 0, "rows"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_intervals_with_anything_missing_are_an_error(facts: ReportFacts, path: tuple[str | int, ...]) -> None:
    with pytest.raises(DataError, match=rf"report facts, .*: incomplete(.|\n)*found: no {path[-1]}"):
        HeadFacts(**_without(facts.heads["forward_return"], *path))


def test_what_was_not_evaluated_is_neither_an_ensemble_nor_calibrated(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    ensembles, calibration = head["ensembles"], head["calibration"]
    lost = {**ensembles, "contenders": {**ensembles["contenders"], "lost": ensembles["contenders"]["meta"]}}
    with pytest.raises(DataError, match=r"ensemble: unknown name(.|\n)*found: lost"):
        HeadFacts(**head | {"ensembles": lost})
    lost = {**calibration, "models": {"lost": calibration["models"]["xgboost"]}}
    with pytest.raises(DataError, match=r"calibrated model: unknown name(.|\n)*found: lost"):
        HeadFacts(**head | {"calibration": lost})
    with pytest.raises(DataError, match="kind of the calibration: unknown name"):
        HeadFacts(**head | {"calibration": {**calibration, "kind": "regression"}})


def test_a_trial_of_an_unknown_state_is_an_error(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    trials = [{**head["trials"][0], "state": "running"}]
    with pytest.raises(DataError, match="state of trial 0 of xgboost: unknown name"):
        HeadFacts(**head | {"trials": trials})


def test_only_a_traded_head_needs_books(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"]) | {"backtest": {}, "costs": {}, "funding": ""}
    with pytest.raises(DataError, match="backtest: incomplete"):
        HeadFacts(**head)
    assert not HeadFacts(**head | {"traded": False}).traded


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("verdict", {"level": "weak", "headline": "", "reasons": ["Direction: it is."], "wanted": []}),
        ("verdict", {"level": "weak", "headline": "", "reasons": [], "wanted": [{"name": "Accuracy"}]}),
        ("catalogue", {"features": [], "disabled": []}),
        ("catalogue", {"feature_set_id": "x", "features": [], "disabled": [{"name": "a"}]}),
        ("quality", {"notes": []}),
        ("quality", {"notes": [], "entities": [{"entity": "a"}]}),
        ("manifest", {"facts": {}}),
        ("manifest", {"facts": {}, "run": {}}),
    ],
)
def test_a_report_with_anything_missing_is_an_error(
    change: Callable[..., ReportFacts], field: str, broken: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="incomplete"):
        change(**{field: broken})
