"""The stages right of ``walk_forward`` that decide: ensemble, training, predict, with their real nodes in a row."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.datasets.contracts import Decisions, Oos
from assay.market import features as market_features
from assay.market.audit.fits import check_fit_scope
from assay.market.bundles import CHAMPION, SCORES
from assay.market.calibration import CalibrationRule
from assay.market.conformal import IntervalRule
from assay.market.decisions import PredictRule
from assay.market.ensembles import EnsembleRules
from assay.market.evaluation import out_of_sample_scores
from assay.market.execution import Execution
from assay.market.features import FeatureRule
from assay.market.labels import LabelRule, make_labels
from assay.market.left_out import left_out
from assay.market.models import ModelParams
from assay.market.plan import Learning, Profile, choose_features, make_plan
from assay.market.prepared import assemble
from assay.market.primary import Primary
from assay.market.selection import SelectionRule
from assay.market.splits import SplitRule
from assay.market.tuning import Budget
from assay.market.workload import Head, Workload
from assay.pipelines.ensemble import create_pipeline, nodes
from assay.pipelines.predict import create_pipeline as create_predict
from assay.pipelines.predict import nodes as predict
from assay.pipelines.training import create_pipeline as create_training
from assay.pipelines.training import nodes as training
from assay.pipelines.walk_forward import nodes as walk_forward

BARS = 420
FEATURES = FeatureRule(families=("momentum",))
LABELS = LabelRule.model_validate({"kind": "fixed_horizon", "horizon": 2, "max_gap": "P1D"})
LEARNING = Learning(
    profile="small",
    profiles={"small": Profile(leave_out=("xgboost",), tuning=Budget(trials=1))},
    splits=SplitRule(folds=4, min_train=0.4),
    selection=SelectionRule(features=6, methods=("univariate",)),
)
MODELS: dict[str, dict[str, Any]] = {
    "signal": {"logistic": {"kind": "logistic"}, "last_sign": {"kind": "last_sign"}, "xgboost": {"kind": "xgboost"}},
    "forward_return": {"ridge": {"kind": "ridge"}, "drift": {"kind": "drift"}, "xgboost": {"kind": "xgboost"}},
}
ENSEMBLES = {
    "signal": {
        "stack": {"kind": "stacking", "members": ["logistic", "last_sign", "xgboost"], "min_rows": 50},
        "meta": {"kind": "meta", "base": "stack", "model": {"kind": "logistic"}, "min_rows": 50, "threshold": 0.4},
    },
    "forward_return": {"mean": {"kind": "mean", "members": ["ridge", "drift", "xgboost"]}},
}
HEADS = (
    Head("signal", "classification", models=("logistic", "xgboost"), baselines=("last_sign",)),
    Head("forward_return", "regression", models=("ridge", "xgboost"), baselines=("drift",)),
    Head("open_interest", "regression", models=("ridge",), baselines=("drift",), traded=False),
)
WORKLOAD = Workload("desk", HEADS, ingestion=lambda: None)
PRIMARY = Primary(head="signal", model="meta", partner="mean")


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    rng, start = np.random.default_rng(4), datetime(2024, 1, 1, tzinfo=UTC)
    tables = []
    for entity in ("A", "B"):
        steps = np.zeros(BARS)
        for bar in range(1, BARS):
            steps[bar] = 0.5 * steps[bar - 1] + 0.01 * rng.standard_normal()
        close = 100 * np.exp(steps.cumsum())
        columns = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
        times = [start + timedelta(hours=4 * bar) for bar in range(BARS)]
        more = {"volume": rng.uniform(1, 2, BARS), "jump": False}
        tables.append(pl.DataFrame({"entity": entity, "time": times, **columns, **more}))
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


@pytest.fixture(scope="module")
def engineered(panel: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    return market_features.engineer(panel, FEATURES)


def as_stored(document: Any) -> Any:
    """A document as the catalog hands it on."""
    return json.loads(json.dumps(document, sort_keys=True, allow_nan=False))


@pytest.fixture(scope="module")
def done(panel: pl.DataFrame, engineered: tuple[pl.DataFrame, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Everything that the stages have made, by head."""
    table, catalogue = engineered
    labels, manifest = make_labels(panel, LABELS, execution=Execution())
    found = {}
    for head in HEADS[:2]:
        draft = make_plan(head, labels, manifest, catalogue["feature_set_id"], LEARNING)
        plan = as_stored(choose_features(table, labels, draft).model_dump(mode="json"))
        model_input = assemble(table, labels)
        params = {name: ModelParams.model_validate(given) for name, given in MODELS[head.name].items()}
        walked = {m: walk_forward.validate(model_input, plan, {}, p, model=m) for m, p in params.items()}
        raw_oos = walk_forward.collect(**{model: out[0] for model, out in walked.items()})
        absent = walk_forward.tell_left_out(**{model: out[1] for model, out in walked.items()})
        rules = EnsembleRules.model_validate(ENSEMBLES[head.name])
        combined, ensembles, stages = nodes.combine(raw_oos, model_input, plan, absent, rules)
        if head.kind == "classification":
            rule = CalibrationRule(method="temperature", min_rows=20, replications=50)
            oos, calibration = nodes.calibrate(combined, ensembles, rule)
        else:
            oos, calibration = nodes.bound(combined, plan, IntervalRule(replications=50))
        bundles = {m: training.fit(model_input, plan, {}, p, model=m) for m, p in params.items()}
        made = {"ensembles": as_stored(ensembles), "second_stages": stages, "calibration": as_stored(calibration)}
        champion = predict.crown(PRIMARY, training.index(**bundles)[1], oos, head=head.name, **made)
        about = {"combined": combined, "oos": oos, "ensembles": ensembles, "calibration": calibration}
        found[head.name] = about | {"bundles": bundles, "champion": champion, "raw": raw_oos, "made": made}
    return found


@pytest.fixture(scope="module")
def served(panel: pl.DataFrame, engineered: Any, done: dict[str, dict[str, Any]]) -> Any:
    table, catalogue = engineered
    live = predict.serve(panel, catalogue, FEATURES, PredictRule(replay=3))
    scale = predict.measure(panel, LABELS, Execution())
    champions = {"signal": done["signal"]["champion"], "target": done["forward_return"]["champion"]}
    decided = predict.decide(live, table, scale, catalogue, **champions)
    return *decided, predict.replay(live, table, catalogue, **champions)


def test_tables_keep_their_contracts(done: dict[str, dict[str, Any]], served: Any) -> None:
    for head in done.values():
        for noun in ("combined", "oos"):
            Oos.validate(head[noun])
        assert head["oos"].select("model", "entity", "time").equals(head["combined"].select("model", "entity", "time"))
    Decisions.validate(served[0])
    assert served[1].equals(served[0])


def test_every_contender_is_judged_like_a_model(done: dict[str, dict[str, Any]]) -> None:
    names = done["signal"]["oos"]["model"].unique(maintain_order=True).to_list()
    assert names == ["logistic", "last_sign", "stack", "meta"]
    assert set(done["signal"]["calibration"]["models"]) == set(names)
    assert "mean" in done["forward_return"]["calibration"]["models"]


def test_a_model_that_is_left_out_leaves_its_reason(done: dict[str, dict[str, Any]]) -> None:
    reason = "left out by the profile small"
    assert left_out(done["signal"]["bundles"]["xgboost"]) == reason
    assert done["signal"]["ensembles"]["contenders"]["stack"]["absent"] == {"xgboost": reason}
    indexed = training.index(**done["signal"]["bundles"])[0]
    assert [bundle["model"] for bundle in indexed] == ["logistic", "last_sign"]


def test_nothing_has_seen_its_test_fold(done: dict[str, dict[str, Any]]) -> None:
    for head in done.values():
        fits = [*head["ensembles"]["fits"], *head["calibration"]["fits"]]
        assert not fits or check_fit_scope(fits, {})["outcome"] == "pass"
    whats = {fit["what"] for fit in done["signal"]["ensembles"]["fits"]}
    assert whats == {"ensemble", "meta", "selection"}


def test_the_primary_decides_in_its_head_and_its_partner_in_the_other(done: dict[str, dict[str, Any]]) -> None:
    named = {head: json.loads(found["champion"][CHAMPION]) for head, found in done.items()}
    assert (named["signal"]["model"], named["forward_return"]["model"]) == ("meta", "mean")
    assert set(named["signal"]["models"]) == {"logistic", "last_sign"}
    for (head, found), kind in zip(done.items(), ("classification", "regression"), strict=True):
        scored = json.loads(found["champion"][SCORES])["out_of_sample"]
        assert scored == out_of_sample_scores(found["oos"], named[head]["model"], kind=kind)
        assert scored["log_loss" if kind == "classification" else "rmse"] > 0


def test_ensembles_decide_and_the_replay_holds(served: Any) -> None:
    table, _, told, replayed = served
    assert table["entity"].to_list() == ["A", "B"]
    assert (told["signal"]["model"], told["target"]["model"]) == ("meta", "mean")
    assert told["signal"]["calibrator"] in {"applied", "dropped", "none"}
    assert (replayed["features_equal"], replayed["predictions_equal"]) == (True, True)
    assert table["lower"].null_count() == 0
    assert (table["upper"] > table["target_return"]).all()


def test_bounds_at_serving_are_those_of_the_last_state(
    panel: pl.DataFrame, done: dict[str, dict[str, Any]], served: Any
) -> None:
    state = done["forward_return"]["calibration"]["final"]["mean"]
    scale = predict.measure(panel, LABELS, Execution()).filter(pl.col("time") == panel["time"].max())
    half = served[0]["upper"] - served[0]["target_return"]
    np.testing.assert_allclose(half, state["threshold"] * scale["scale"])


def test_an_empty_block_of_ensembles_changes_nothing(done: dict[str, dict[str, Any]]) -> None:
    raw = done["forward_return"]["raw"]
    assert set(raw["model"].unique()) == {"ridge", "drift"}
    assert done["forward_return"]["combined"].filter(pl.col("model") != "mean").equals(raw)


def inputs_of(pipeline: Any, name: str) -> set[str]:
    return set(next(node for node in pipeline.nodes if node.name == name).inputs)


def outputs_of(pipeline: Any, name: str) -> list[str]:
    return list(next(node for node in pipeline.nodes if node.name == name).outputs)


def test_the_stage_calibrates_classes_and_bounds_returns() -> None:
    stage = create_pipeline([WORKLOAD])
    names = {node.name for node in stage.nodes}
    assert {"desk.ensemble.signal.calibrate", "desk.ensemble.forward_return.bound"} <= names
    assert "desk.ensemble.open_interest.bound" in names
    assert inputs_of(stage, "desk.ensemble.signal.combine") == {
        "desk.signal.raw_oos",
        "desk.signal.model_input",
        "desk.signal.plan",
        "desk.signal.left_out",
        "params:desk.ensembles.signal",
    }
    assert outputs_of(stage, "desk.ensemble.signal.combine") == [
        "desk.signal.combined",
        "desk.signal.ensembles",
        "desk.signal.second_stages",
    ]
    assert outputs_of(stage, "desk.ensemble.signal.calibrate") == ["desk.signal.oos", "desk.signal.calibration"]
    assert "params:desk.intervals" in inputs_of(stage, "desk.ensemble.forward_return.bound")


def test_only_traded_heads_have_a_champion() -> None:
    stage = create_predict([WORKLOAD])
    crowns = {node.name for node in stage.nodes if node.name.endswith(".crown")}
    assert crowns == {"desk.predict.signal.crown", "desk.predict.forward_return.crown"}
    trained = {node.name for node in create_training([WORKLOAD]).nodes}
    assert {"desk.training.open_interest.index", "desk.training.open_interest.ridge.fit"} <= trained
    needed = {"desk.signal.ensembles", "desk.signal.second_stages", "desk.signal.calibration", "params:desk.primary"}
    assert needed <= inputs_of(stage, "desk.predict.signal.crown")


def test_decisions_measure_volatility_as_the_labels_of_the_target_do() -> None:
    stage = create_predict([WORKLOAD])
    asked = inputs_of(stage, "desk.predict.measure")
    assert asked == {"desk.panel", "params:desk.heads.forward_return", "params:desk.execution"}
    assert outputs_of(stage, "desk.predict.decide") == ["desk.decisions", "desk.decisions_csv", "desk.serving"]
    assert "desk.live_scale" in inputs_of(stage, "desk.predict.decide")
