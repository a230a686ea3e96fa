"""Walk-forward validation: no fit sees the future, and no test row is left out."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import recipe, walk_forward
from assay.market.audit import check_fit_scope
from assay.market.errors import DataError, SplitError
from assay.market.models import Files, ModelParams
from assay.market.parts import Seen
from assay.market.preprocess import Preprocessor, fit_preprocessor
from assay.market.recipe import RecipePlan, open_recipe
from assay.market.selection import SelectionRule, Task, select
from assay.market.splits import Receipt, SplitRule, holdout_tail, plan_folds, split_rows
from assay.market.tables import PROBABILITIES
from assay.market.walk_forward import Fold, collect_fits, fold_bundle, importance_table, rank_features
from assay.market.workload import Kind

FAST: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 15, "max_depth": 2, "threads": 1},
    "lightgbm": {"n_estimators": 15, "num_leaves": 4, "threads": 1},
    "random_forest": {"n_estimators": 4, "max_samples": 0.5, "threads": 1},
}
Market = tuple[pl.DataFrame, pl.DataFrame, list[Receipt]]


def plan(family: str = "lightgbm", kind: Kind = "classification") -> RecipePlan:
    params = ModelParams.model_validate({"kind": family} | FAST.get(family, {})).root
    return RecipePlan(params=params, kind=kind, feature_set_id="set-1")


def fold(features: pl.DataFrame, labels: pl.DataFrame, receipt: Receipt, kind: Kind) -> Fold:
    train = split_rows(labels, receipt)[0]
    rule = SelectionRule(features=5, methods=("univariate",))
    return Fold(receipt, select(features.filter(train), labels.filter(train), rule, task=Task(kind)))


def validate(
    features: pl.DataFrame, labels: pl.DataFrame, receipts: list[Receipt], *, plan: RecipePlan, **track: Any
) -> tuple[pl.DataFrame, dict[str, bytes]]:
    folds = [fold(features, labels, receipt, plan.kind) for receipt in receipts]
    return walk_forward.validate(features, labels, folds, plan=plan, **track)


def fit_receipts(files: Files) -> list[dict[str, Any]]:
    return [json.loads(content) for name, content in files.items() if name.endswith("/receipt.json")]


def log_loss(table: pl.DataFrame) -> float:
    known = table.filter(pl.col("y_true").is_not_null())
    chosen = known.select(PROBABILITIES).to_numpy()[np.arange(known.height), known["y_true"].to_numpy() + 1]
    return float(-np.log(chosen).mean())


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    features, labels = toy_market()
    return features, labels, plan_folds(labels, SplitRule(folds=3))


@pytest.mark.parametrize("family", ["lightgbm", "class_prior"])
def test_every_row_of_a_test_fold_is_predicted(family: str, market: Market) -> None:
    features, labels, receipts = market
    table, files = validate(features, labels, receipts, plan=plan(family))
    test = np.logical_or.reduce([split_rows(labels, receipt)[1] for receipt in receipts])
    expected = labels.filter(pl.Series(test))
    assert table.select("entity", "time").equals(expected.select("entity", "time"))
    assert table["y_true"].equals(expected["label"], check_names=False)
    assert table["y_true"].null_count() == 2 * 4  # the last bars of both entities have no label yet
    assert table["y_pred"].null_count() == 0
    assert dict(table.schema) == {
        "entity": pl.String,
        "time": pl.Datetime("us", "UTC"),
        "label_end": pl.Datetime("us", "UTC"),
        "fold": pl.Int32,
        "train_end": pl.Datetime("us", "UTC"),
        "forward_return": pl.Float64,
        "scale": pl.Float64,
        "y_true": pl.Int8,
        "y_pred": pl.Int8,
        "p_short": pl.Float64,
        "p_neutral": pl.Float64,
        "p_long": pl.Float64,
    }
    assert table["fold"].unique().sort().to_list() == [1, 2, 3] == [fit["fold"] for fit in fit_receipts(files)]
    for receipt in receipts:
        rows = table.filter(pl.col("fold") == receipt.fold)
        assert rows["train_end"].unique().to_list() == [receipt.last_train_label_end]
        assert rows.height == receipt.test_rows


def test_regression_predicts_returns(market: Market) -> None:
    features, labels, receipts = market
    table, _ = validate(features, labels, receipts, plan=plan("ridge", "regression"))
    assert table["y_true"].equals(table["forward_return"], check_names=False)
    assert table.schema["y_pred"] == pl.Float64
    assert table["y_pred"].is_finite().all()
    assert not set(PROBABILITIES) & set(table.columns)


def test_stored_folds_repeat_the_predictions(market: Market) -> None:
    features, labels, receipts = market
    table, files = validate(features, labels, receipts, plan=plan())
    for receipt in receipts:
        mine = fold_bundle(files, receipt.fold)
        test = features.filter(pl.Series(split_rows(labels, receipt)[1]))
        out = open_recipe(mine, feature_set_id="set-1").predict(test)
        np.testing.assert_array_equal(table.filter(fold=receipt.fold).select(PROBABILITIES).to_numpy(), out)


def test_running_twice_gives_the_same_bytes(market: Market) -> None:
    first, second = (validate(*market, plan=plan()) for _ in range(2))
    assert first[0].equals(second[0])
    assert first[1] == second[1]


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("xgboost", "classification"),
        ("lightgbm", "regression"),
        ("random_forest", "regression"),
        ("logistic", "classification"),
        ("class_prior", "classification"),
        ("last_sign", "regression"),
    ],
)
def test_no_fit_sees_a_row_it_may_not(family: str, kind: Kind, market: Market) -> None:
    """Spoil every value that was not known when a fold began: nothing that was fitted for it may change."""
    features, labels, receipts = market
    clean = validate(features, labels, receipts, plan=plan(family, kind))
    for receipt in receipts:
        unknown = pl.Series(~split_rows(labels, receipt)[0])
        rng = np.random.default_rng(receipt.fold)
        spoiled = features.with_columns(
            pl.when(unknown).then(pl.Series(rng.choice([np.nan, 1e9, -7.0], len(unknown)))).otherwise(name).alias(name)
            for name in features.columns[2:]
        ).cast(dict(features.schema))
        labelled = labels["label"].is_not_null()
        lies = labels.with_columns(
            pl.when(unknown & labelled).then(pl.lit(1, pl.Int8)).otherwise("label").alias("label"),
            pl.when(unknown & labelled).then(1e3).otherwise("forward_return").alias("forward_return"),
        )
        _, files = validate(spoiled, lies, [receipt], plan=plan(family, kind))
        assert files == {name: data for name, data in clean[1].items() if name.startswith(f"fold_{receipt.fold}/")}


def test_fit_receipts_stay_before_the_test_fold(market: Market) -> None:
    features, labels, receipts = market
    files = validate(features, labels, receipts, plan=plan())[1]
    for receipt in receipts:
        fit = json.loads(files[f"fold_{receipt.fold}/receipt.json"])
        assert fit["last_time_seen"] == fit["last_time"] == fit["train_end"] == receipt.train_end.isoformat()
        assert fit["last_label_end"] == receipt.last_train_label_end.isoformat() < fit["test_start"]
        assert fit["rows"] + fit["tail_rows"] <= receipt.train_rows
        assert fit["test_rows"] == receipt.test_rows
        assert fit["dropped"]["constant"] == "constant"
        twin = {"signal", "twin"} & set(fit["dropped"])
        assert [fit["dropped"][name] for name in twin] == [
            f"correlation 1.000 with {name}" for name in {"signal", "twin"} - twin
        ]
        assert 1 <= fit["best_iteration"] <= 15


@pytest.mark.parametrize("family", ["lightgbm", "logistic", "class_prior"])
def test_no_fit_has_seen_more_than_its_receipt_allows(family: str, market: Market) -> None:
    features, labels, receipts = market
    fits = fit_receipts(validate(features, labels, receipts, plan=plan(family))[1])
    assert len(fits) == len(receipts)
    for fit, receipt in zip(fits, receipts, strict=True):
        assert datetime.fromisoformat(fit["last_time_seen"]) <= receipt.train_end < receipt.test_start


def test_the_receipt_tells_what_the_preprocessing_has_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preprocessor that was fitted on later rows than the model shows in the receipt."""
    features, labels, receipts = market
    late = receipts[0].test_end

    def peeking(*args: Any, **named: Any) -> Preprocessor:
        return replace(fit_preprocessor(*args, **named), last_time_seen=late)

    monkeypatch.setattr(recipe, "fit_preprocessor", peeking)
    files = validate(features, labels, receipts[:1], plan=plan())[1]
    told = fit_receipts(files)[0]
    assert told["last_time_seen"] == late.isoformat()
    assert {fit["what"]: fit["last_time_seen"] for fit in told["fits"]}["preprocess"] == late.isoformat()


def test_training_labels_that_reach_the_test_fold_stop_the_run(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, receipts = market

    def leaky(table: pl.DataFrame, receipt: Receipt) -> tuple[np.ndarray, np.ndarray]:
        train, test = split_rows(table, receipt)
        late = (table["time"] < receipt.test_start).to_numpy() & ~train
        train[np.flatnonzero(train)[: late.sum()]] = False  # as many rows as planned, but newer ones
        return train | late, test

    monkeypatch.setattr(walk_forward, "split_rows", leaky)
    with pytest.raises(SplitError, match=r"fold 1: the training part is not the one[\s\S]*, 8 with a later label end"):
        validate(features, labels, receipts, plan=plan())


def test_receipts_of_other_labels_stop_the_run(market: Market) -> None:
    features, labels, receipts = market
    thinned = labels.with_columns(pl.when(pl.col("time").dt.hour() != 5).then("label").alias("label"))
    with pytest.raises(SplitError, match=f"expected: {receipts[0].train_rows} rows"):
        validate(features, thinned, receipts, plan=plan())
    planned = fold(features, labels, receipts[0], "classification")
    forged = replace(receipts[0])
    object.__setattr__(forged, "last_train_label_end", forged.test_start)
    with pytest.raises(SplitError, match="the training part touches the test fold"):
        walk_forward.validate(features, labels, [replace(planned, receipt=forged)], plan=plan())


def test_a_selection_of_another_fold_stops_the_run(market: Market) -> None:
    features, labels, receipts = market
    first, last = (fold(features, labels, receipts[position], "classification") for position in (0, 2))
    for own, other in ((first, last), (last, first)):
        with pytest.raises(SplitError, match="selection of features: was not made on this training part"):
            walk_forward.validate(features, labels, [replace(own, selection=other.selection)], plan=plan())


def test_features_and_labels_must_be_the_same_rows(market: Market) -> None:
    features, labels, receipts = market
    folds = [fold(*market[:2], receipts[0], "classification")]
    for other in (features.reverse(), features.head(9)):
        with pytest.raises(DataError, match="are not the same rows"):
            walk_forward.validate(other, labels, folds, plan=plan())


def test_importance_of_all_folds_is_one_table(market: Market) -> None:
    features, labels, receipts = market
    files = validate(features, labels, receipts, plan=plan())[1]
    table = importance_table(files)
    assert dict(table.schema) == {"fold": pl.Int32, "feature": pl.String, "importance": pl.Float64}
    assert table.group_by("fold", maintain_order=True).agg(pl.col("importance").sum())["importance"].to_list() == (
        pytest.approx([1, 1, 1])
    )
    assert table.group_by("fold", maintain_order=True).first()["feature"].is_in(["signal", "twin"]).all()
    assert table.filter(fold=2)["feature"].sort().to_list() == sorted(fit_receipts(files)[1]["features"])
    assert importance_table(validate(features, labels, receipts, plan=plan("class_prior"))[1]).height == 0


def test_importance_of_all_models_is_one_table(market: Market) -> None:
    files = {name: validate(*market, plan=plan(name))[1] for name in ("logistic", "class_prior", "lightgbm")}
    table = rank_features(files)
    assert table.columns == ["model", "fold", "feature", "importance"]
    assert table["model"].unique(maintain_order=True).to_list() == ["logistic", "lightgbm"]
    assert table.filter(model="lightgbm").drop("model").equals(importance_table(files["lightgbm"]))


def test_every_fit_of_a_head_is_on_record(market: Market) -> None:
    files = {name: validate(*market, plan=plan(name))[1] for name in ("lightgbm", "class_prior")}
    fits = collect_fits(files)
    labels, receipts = market[1:]
    assert [(fit["model"], fit["fold"], fit["what"]) for fit in fits] == [
        *(("lightgbm", n, what) for n in (1, 2, 3) for what in ("selection", "preprocess", "weights", "model")),
        *(("class_prior", n, what) for n in (1, 2, 3) for what in ("weights", "model")),
    ]
    for fit in fits:
        receipt = receipts[fit["fold"] - 1]
        assert list(fit) == ["model", "fold", "what", "last_time_seen", "last_label_end", "test_start"]
        assert fit["test_start"] == receipt.test_start.isoformat()
        part = labels.filter(split_rows(labels, receipt)[0])
        if fit["model"] == "lightgbm" and fit["what"] != "model":
            part = part.filter(holdout_tail(part, 0.15)[0])
        assert fit["last_time_seen"] == part["time"].max().isoformat()
        assert fit["last_label_end"] == part["label_end"].max().isoformat()


def test_parameters_that_were_tuned_on_a_test_fold_fail_the_fit_scope(market: Market) -> None:
    labels, receipts = market[1:]
    threshold = {"threshold_seen": None}
    for part, outcome in ((labels.filter(split_rows(labels, receipts[0])[0]), "pass"), (labels.drop_nulls(), "fail")):
        tuned = replace(plan(), tuned=Seen.of("tuning", part))
        fits = collect_fits({"lightgbm": validate(*market, plan=tuned)[1]})
        assert [fit["what"] for fit in fits].count("tuning") == 3
        told = check_fit_scope(fits, threshold)
        assert told["outcome"] == outcome
        assert ("tuning of lightgbm in fold 1" in told["found"]) == (outcome == "fail")


def test_progress_is_told_over_folds(market: Market) -> None:
    told: list[tuple[int, str]] = []

    def track(items: Any, what: str) -> Any:
        told.append((len(items), what))
        return items

    validate(*market, plan=plan("class_prior"), track=track)
    assert told == [(3, "folds")]


@pytest.mark.parametrize("family", ["xgboost", "lightgbm", "random_forest", "logistic"])
def test_a_signal_is_found_and_noise_is_not(family: str, toy_market: Any) -> None:
    gain = {}
    for skill in (0.6, 0.0):
        features, labels = toy_market(bars=500, skill=skill, seed=5)
        receipts = plan_folds(labels, SplitRule(folds=2))
        prior, model = (
            log_loss(validate(features, labels, receipts, plan=plan(name))[0]) for name in ("class_prior", family)
        )
        gain[skill] = prior - model
    assert gain[0.6] > 0.02
    assert gain[0.0] < 0.01
