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
        ("evaluation", "breakdown"),
        ("evaluation", "breakdown", "xgboost"),
        ("evaluation", "breakdown", "xgboost", "trend", 0, "accuracy"),
        ("evaluation", "breakdown", "xgboost", "trend", 0, "ic", "low"),
        ("contest", "level"),
        ("contest", "loss", "definition"),
        ("contest", "models", "xgboost", "inside"),
        ("contest", "accuracy_of_forecast", "models", "xgboost", "mcs_p"),
        ("contest", "spa", "p_consistent"),
        ("contest", "stepm", "better"),
        ("contest", "pairs", 0, "dm"),
        ("contest", "pairs", 0, "difference", "high"),
        ("contest", "pesaran_timmermann", "xgboost", "hits"),
        ("contest", "pesaran_timmermann", "xgboost", "overlapping", "t"),
        ("significance", "pbo"),
        ("significance", "pbo", "value"),
        ("significance", "trials", "expected_max_sharpe"),
        ("significance", "models", "xgboost", "dsr"),
        ("seeds", "ic"),
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


@pytest.mark.parametrize(
    ("document", "inside", "said"),
    [
        ("contest", "models", "model of the contest"),
        ("significance", "models", "model of the significance"),
    ],
)
def test_what_was_not_evaluated_is_neither_contested_nor_deflated(
    facts: ReportFacts, document: str, inside: str, said: str
) -> None:
    head = asdict(facts.heads["signal"])
    found = head[document]
    lost = {**found, inside: {**found[inside], "lost": found[inside]["xgboost"]}}
    with pytest.raises(DataError, match=rf"{said}: unknown name(.|\n)*found: lost"):
        HeadFacts(**head | {document: lost})


def test_seeds_are_those_of_a_model_and_parts_those_of_a_known_kind(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    with pytest.raises(DataError, match=r"model of the seeds: unknown name(.|\n)*found: lost"):
        HeadFacts(**head | {"seeds": {**head["seeds"], "model": "lost"}})
    broken = {name: {"moon": []} for name in head["evaluation"]["breakdown"]}
    with pytest.raises(DataError, match=r"breakdown of xgboost: unknown name(.|\n)*found: moon"):
        HeadFacts(**head | {"evaluation": {**head["evaluation"], "breakdown": broken}})


def test_a_contest_that_found_nothing_to_compare_is_whole(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    assert HeadFacts(**head | {"contest": {**head["contest"], "spa": None}}).contest["spa"] is None


@pytest.mark.parametrize("path", [("level",), ("total", "evidence", "low"), ("power", "kinds"), ("total", "rules")])
def test_a_null_calibration_with_anything_missing_is_an_error(
    facts: ReportFacts, change: Callable[..., ReportFacts], path: tuple[str, ...]
) -> None:
    found = deepcopy(dict(facts.null_calibration or {}))
    *outer, last = path
    del reduce(lambda part, name: part[name], outer, found)[last]
    with pytest.raises(DataError, match=rf"report facts, .*: incomplete(.|\n)*found: no {last}"):
        change(null_calibration=found)


def test_the_same_inputs_have_the_same_hash_and_others_another(
    facts: ReportFacts, change: Callable[..., ReportFacts]
) -> None:
    inputs = facts.manifest["facts"]["inputs"]
    turned = {"facts": {"inputs": dict(reversed(inputs.items()))}, "run": {"id": "another"}}
    other = {"facts": {"inputs": {**inputs, "more": "ef"}}, "run": {"id": "another"}}
    assert change(manifest=turned).provenance.data == facts.provenance.data
    assert change(manifest=other).provenance.data != facts.provenance.data
    assert str(change(manifest=turned).provenance) == f"run another · data {facts.provenance.data}"


def test_a_trial_of_an_unknown_state_is_an_error(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"])
    trials = [{**head["trials"][0], "state": "running"}]
    with pytest.raises(DataError, match="state of trial 0 of xgboost: unknown name"):
        HeadFacts(**head | {"trials": trials})


def test_only_a_traded_head_needs_books(facts: ReportFacts) -> None:
    head = asdict(facts.heads["signal"]) | {"backtest": {}, "costs": "", "funding": ""}
    with pytest.raises(DataError, match="backtest: incomplete"):
        HeadFacts(**head)
    assert not HeadFacts(**head | {"traded": False}).traded


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("verdict", {"level": "weak", "headline": "", "reasons": ["Direction: it is."], "wanted": [], "rules": []}),
        ("verdict", {"level": "weak", "headline": "", "reasons": [], "wanted": [{"name": "Accuracy"}], "rules": []}),
        ("catalogue", {"features": [], "disabled": []}),
        ("catalogue", {"feature_set_id": "x", "features": [], "disabled": [{"name": "a"}]}),
        ("quality", {"notes": []}),
        ("quality", {"notes": [], "entities": [{"entity": "a"}]}),
        ("manifest", {"facts": {}}),
        ("manifest", {"facts": {}, "run": {}}),
        ("manifest", {"facts": {}, "run": {"id": "x"}}),
        ("verdict", {"level": "weak", "headline": "", "reasons": [], "wanted": []}),
        ("verdict", {"level": "weak", "headline": "", "reasons": [], "wanted": [], "rules": [{"name": "Seeds"}]}),
    ],
)
def test_a_report_with_anything_missing_is_an_error(
    change: Callable[..., ReportFacts], field: str, broken: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="incomplete"):
        change(**{field: broken})
