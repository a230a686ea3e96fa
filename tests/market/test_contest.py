"""The contest against the evaluation it belongs to, and on markets where the answer is known."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from assay.market.contest import contest
from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule, evaluate
from assay.market.metrics.forecasts import Array
from assay.market.significance.forecasts import diebold_mariano, pesaran_timmermann

HORIZON = 4
RULE = EvaluationRule(replications=300, common_from_fold=1, seed=3)
SKILLS = {"good": 0.5, "fair": 0.4, "blind": 0.0, "ridge": 0.1}
ROLES = {"good": "model", "fair": "model", "blind": "model", "ridge": "baseline", "zero": "baseline"}
KEY = {"entity": pl.String, "time": pl.Datetime("us", "UTC"), "fold": pl.Int32}


def oos(
    *, timestamps: int = 400, entities: int = 2, copies: int = 1, kind: str = "regression", seed: int = 1
) -> pl.DataFrame:
    """Predictions with a planted skill; ``copies`` repeats each entity under other names."""
    random = np.random.default_rng(seed)
    path = np.cumsum(random.standard_normal((timestamps + HORIZON, entities)) * 0.01, axis=0)
    returns = path[HORIZON:] - path[:-HORIZON]
    z = returns / returns.std()
    noise = {n: lfilter([1], [1, -0.7], random.standard_normal(z.shape), axis=0) * 0.7 for n in SKILLS}
    scores = {name: skill * z + np.sqrt(1 - skill**2) * noise[name] for name, skill in SKILLS.items()}
    tables = [_table(name, returns, 0.3 * score, kind) for name, score in (scores | {"zero": 0 * z}).items()]
    one = pl.concat(tables)
    names = [pl.col("entity") + (f" {copy}" if copy else "") for copy in range(copies)]
    return pl.concat([one.with_columns(entity=name) for name in names])


def _table(name: str, returns: Array, score: Array, kind: str) -> pl.DataFrame:
    timestamps, entities = returns.shape
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(timestamps)]
    key = {
        "entity": [f"E{e}" for _ in times for e in range(entities)],
        "time": [time for time in times for _ in range(entities)],
        "fold": [1 + 4 * i // timestamps for i in range(timestamps) for _ in range(entities)],
    }
    tilt = np.clip(score.ravel(), -0.45, 0.45)
    truth = np.where(np.abs(returns.ravel()) > 0.01, np.sign(returns.ravel()), 0)
    p = np.column_stack([0.3 - tilt / 2 * 0.6, np.full(len(tilt), 0.4), 0.3 + tilt / 2 * 0.6])
    columns: dict[str, Any] = {
        "forward_return": returns.ravel(),
        "y_true": returns.ravel(),
        "y_pred": 0.01 * score.ravel(),
    }
    if kind == "classification":
        columns |= {"y_true": truth, "y_pred": p.argmax(axis=1) - 1}
        columns |= {column: p[:, i] for i, column in enumerate(("p_short", "p_neutral", "p_long"))}
    frame = pl.DataFrame(key, schema=KEY).with_columns(pl.Series(n, values) for n, values in columns.items())
    return frame.select(pl.lit(name).alias("model"), pl.all())


def run(table: pl.DataFrame, rule: EvaluationRule = RULE, horizon: int = HORIZON) -> dict[str, Any]:
    found = contest(table, roles=ROLES, horizon=horizon, rule=rule)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


@pytest.fixture(scope="module", params=["regression", "classification"])
def head(request: pytest.FixtureRequest) -> tuple[str, pl.DataFrame, dict[str, Any]]:
    """A head of a kind, and its contest."""
    table = oos(kind=request.param, seed=4)
    return request.param, table, run(table)


def test_the_mean_loss_is_minus_the_ic_and_a_constant_stays_out(head: tuple[str, pl.DataFrame, dict[str, Any]]) -> None:
    kind, table, found = head
    evaluation = evaluate(table, kind=kind, roles=ROLES, horizon=HORIZON, rule=RULE)
    assert set(found["models"]) == set(SKILLS)
    for name, model in found["models"].items():
        ic = evaluation["skill"][name]["direction"]["ic"]["value"]
        assert model["mean_loss"] == pytest.approx(-ic, abs=1e-9)
    assert (found["rows"], found["timestamps"]) == (evaluation["rows"], evaluation["timestamps"]) == (800, 400)
    own = {"classification": "log_loss", "regression": "rmse"}[kind]
    for name, model in found["accuracy_of_forecast"]["models"].items():
        value = evaluation["models"][name]["metrics"][own]["value"]
        assert model["mean_loss"] == pytest.approx(value if kind == "classification" else value**2)


def test_planted_skill_is_found_and_told(head: tuple[str, pl.DataFrame, dict[str, Any]]) -> None:
    _, _, found = head
    inside = {name for name, model in found["models"].items() if model["inside"]}
    assert {name for name, model in found["models"].items() if model["mcs_p"] > 0.1} == inside
    assert inside == {"good", "fair"}  # the fair one with a p a little above .1
    assert found["spa"]["p_consistent"] < 0.02
    assert found["spa"]["models"] == 4
    assert {"good", "fair"} <= set(found["stepm"]["better"])
    assert "blind" not in found["stepm"]["better"]
    assert found["block"] >= HORIZON
    best = min(found["models"], key=lambda name: found["models"][name]["mean_loss"])
    assert found["said"].startswith(f"Of 4 models {best} has the largest IC; at a level of 10%, {len(inside)} cannot")
    signs = found["pesaran_timmermann"]
    assert signs["good"]["said"] == "more hits than one-sided calls have by luck"
    assert signs["blind"]["said"] == "no more hits than one-sided calls have by luck"
    assert signs["good"]["hits"] > signs["good"]["expected"] + 0.05


def test_pairs_are_of_models_against_every_rival_and_agree_with_the_test(
    head: tuple[str, pl.DataFrame, dict[str, Any]],
) -> None:
    _, _, found = head
    pairs = {(pair["model"], pair["rival"]): pair for pair in found["pairs"]}
    assert set(pairs) == {(a, b) for a in ("good", "fair", "blind") for b in SKILLS if a != b}
    for (model, rival), pair in pairs.items():
        gap = found["models"][model]["mean_loss"] - found["models"][rival]["mean_loss"]
        ends = pair["difference"]
        assert ends["value"] == pytest.approx(gap)
        assert ends["low"] < ends["value"] < ends["high"]
        assert np.sign(pair["dm"]) == np.sign(gap)
        apart = {True: "cannot be told apart", False: "better than the rival" if gap < 0 else "worse than the rival"}
        assert pair["said"] == apart[ends["low"] <= 0 <= ends["high"]]
    assert pairs["good", "blind"]["said"] == "better than the rival"
    assert pairs["blind", "good"]["p"] == pytest.approx(pairs["good", "blind"]["p"])
    assert pairs["blind", "good"]["p"] < 0.01


def test_a_pair_and_a_sign_test_by_hand() -> None:
    table = oos()
    found = run(table)
    frames = {name: table.filter(pl.col("model") == name).sort("time", "entity") for name in ("good", "blind")}
    losses, returns = {}, frames["good"]["y_true"].to_numpy()
    for name, frame in frames.items():
        score, fold = frame["y_pred"].to_numpy(), frame["fold"].to_numpy()
        steps = np.repeat(np.arange(400), 2)
        centred = np.zeros(800)
        for row in range(800):  # less the mean of what the fold had said by then
            centred[row] = score[row] - score[(fold == fold[row]) & (steps <= steps[row])].mean()
        x, y = (v - v.mean() for v in (centred, returns))
        losses[name] = -(x * y / (x.std() * y.std())).reshape(400, 2).mean(axis=1)
    wanted = diebold_mariano(losses["good"], losses["blind"], horizon=HORIZON)
    (pair,) = (p for p in found["pairs"] if (p["model"], p["rival"]) == ("good", "blind"))
    assert (pair["dm"], pair["p"]) == pytest.approx((wanted.statistic, wanted.p))
    signs = pesaran_timmermann(frames["good"]["y_pred"].to_numpy(), returns)
    assert found["pesaran_timmermann"]["good"]["statistic"] == pytest.approx(signs.statistic)


def test_entities_that_move_as_one_count_as_one() -> None:
    one, six = run(oos(entities=1)), run(oos(entities=1, copies=6))
    assert six["rows"] == 6 * one["rows"]
    assert six["spa"] == pytest.approx(one["spa"])
    assert six["models"]["good"]["mean_loss"] == pytest.approx(one["models"]["good"]["mean_loss"])
    assert six["pairs"][0]["difference"] == pytest.approx(one["pairs"][0]["difference"])
    assert six["pairs"][0]["dm"] == pytest.approx(one["pairs"][0]["dm"])
    aware, plain = (six["pesaran_timmermann"]["good"][key] for key in ("overlapping", "statistic"))
    assert aware == pytest.approx(one["pesaran_timmermann"]["good"]["overlapping"])
    assert plain > 2 * one["pesaran_timmermann"]["good"]["statistic"]


def test_rows_that_some_entity_lacks_count_as_rows() -> None:
    table = oos().filter(~((pl.col("entity") == "E1") & (pl.col("time").dt.hour() < 12)))
    found = run(table)
    evaluation = evaluate(table, kind="regression", roles=ROLES, horizon=HORIZON, rule=RULE)
    ic = evaluation["skill"]["good"]["direction"]["ic"]["value"]
    assert found["rows"] < 2 * found["timestamps"]
    assert found["models"]["good"]["mean_loss"] == pytest.approx(-ic, abs=1e-9)


def test_the_rule_and_the_horizon_are_followed() -> None:
    table = oos()
    usual = run(table)
    assert run(table) == usual
    assert run(table, horizon=30)["block"] >= 30.0
    assert run(table, horizon=9)["pairs"][0]["dm"] != usual["pairs"][0]["dm"]
    later = run(table, RULE.model_copy(update={"common_from_fold": 3}))
    assert later["timestamps"] == 200
    for change in ({"seed": 4}, {"replications": 200}, {"confidence": 0.8}):
        other = run(table, RULE.model_copy(update=change))
        assert other["pairs"][0]["difference"] != usual["pairs"][0]["difference"]
        assert other["pairs"][0]["difference"]["value"] == usual["pairs"][0]["difference"]["value"]


def test_models_without_skill_are_not_superior_and_stay_together() -> None:
    roles = dict.fromkeys("abc", "model")
    random = np.random.default_rng(8)
    base = oos().filter(pl.col("model") == "good")
    tables = [
        base.with_columns(model=pl.lit(name), y_pred=pl.Series(random.standard_normal(base.height))) for name in roles
    ]
    found = contest(pl.concat(tables), roles=roles, horizon=HORIZON, rule=RULE)
    assert found["spa"]["p_consistent"] > 0.05
    assert found["stepm"] == {"level": 0.05, "better": []}
    assert all(model["inside"] for model in found["models"].values())
    assert found["said"].endswith("with all of them counted: none.")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (oos().with_columns(y_pred=pl.col("fold") * 0.01), "No model has a score that varies"),
        (oos().with_columns(y_true=pl.lit(0.01), forward_return=pl.lit(0.01)), "No model has a score that varies"),
        (oos(timestamps=16), "There are 16 timestamps, and a contest takes 20."),
    ],
)
def test_where_nothing_can_be_compared_it_says_so(table: pl.DataFrame, said: str) -> None:
    found = run(table)
    assert (found["models"], found["pairs"], found["spa"], found["block"]) == ({}, [], None, None)
    assert found["stepm"]["better"] == []
    assert found["accuracy_of_forecast"]["models"] == {}
    assert said in found["said"]


def test_a_single_model_is_alone_in_its_set() -> None:
    table = oos().filter(pl.col("model") == "good")
    found = contest(table, roles={"good": "model"}, horizon=HORIZON, rule=RULE)
    assert found["models"]["good"]["mcs_p"] == 1.0
    assert found["pairs"] == []
    assert "good alone cannot be beaten" in found["said"]


def test_a_call_on_one_side_only_is_no_information() -> None:
    table = oos().with_columns(y_pred=pl.col("y_pred") + 1.0)
    found = run(table)["pesaran_timmermann"]["good"]
    assert (found["statistic"], found["p"], found["overlapping"]) == (None, None, {"t": None, "p": None})
    assert found["said"] == "no information: calls or outcomes are all on one side"


def test_models_need_a_role() -> None:
    with pytest.raises(ConfigurationError, match="roles of the models"):
        contest(oos(), roles={"good": "model"}, horizon=HORIZON, rule=RULE)
