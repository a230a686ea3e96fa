import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter
from sklearn.metrics import accuracy_score, log_loss

from assay.market.errors import ConfigurationError, DataError
from assay.market.evaluation import EvaluationRule, evaluate, out_of_sample_scores
from assay.market.evaluation.resampling import LONGER, Blocks, Resampled
from assay.market.metrics import METRICS
from assay.market.metrics.forecasts import Array
from assay.market.significance import ic_t, optimal_block

Facts = dict[str, Any]

HORIZON = 5
QUICK = EvaluationRule(replications=200)


def market(timestamps: int, seed: int, entities: int = 3) -> tuple[Array, Array]:
    """Overlapping returns (timestamps, entities) of entities that move together, and their volatility."""
    random = np.random.default_rng(seed)
    length = timestamps + HORIZON
    log_volatility = lfilter([1], [1, -0.98], 0.1 * random.standard_normal((length, 1)), axis=0)
    shocks = 0.8 * random.standard_normal((length, 1)) + 0.6 * random.standard_normal((length, entities))
    path = np.cumsum(0.01 * np.exp(log_volatility) * shocks, axis=0)
    return path[HORIZON:] - path[:-HORIZON], np.exp(log_volatility[:timestamps])


def slow_score(shape: tuple[int, int], seed: int) -> Array:
    """A persistent score, alike across entities: what makes overlapping labels treacherous."""
    random = np.random.default_rng(seed)
    common = random.standard_normal((shape[0], 1))
    return lfilter([1], [1, -0.8], common + random.standard_normal(shape), axis=0) / 2.4


def long_table(returns: Array, columns: dict[str, Array], folds: int = 5) -> pl.DataFrame:
    timestamps, entities = returns.shape
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = pl.Series([start + timedelta(hours=4 * i) for i in range(timestamps)], dtype=pl.Datetime("us", "UTC"))
    fold = np.minimum(np.arange(timestamps) * folds // timestamps + 1, folds)
    return pl.DataFrame(
        {
            "entity": np.tile([f"coin {i}" for i in range(entities)], timestamps),
            "time": times.gather(np.repeat(np.arange(timestamps), entities)),
            "fold": np.repeat(fold, entities).astype(np.int32),
            "forward_return": returns.ravel(),
            "scale": np.abs(np.random.default_rng(9).standard_normal(returns.size)),
            **{name: np.ravel(values) for name, values in columns.items()},
        }
    )


def class_table(model: str, returns: Array, score: Array, movement: Array) -> pl.DataFrame:
    """Predictions whose p(LONG) - p(SHORT) follows ``score`` and whose p(NEUTRAL) falls with ``movement``."""
    sides = 0.1 + 0.6 * np.clip(np.broadcast_to(movement, returns.shape), 0, 1)
    tilt = np.clip(score, -0.9, 0.9) * sides / 2
    p = np.stack([sides / 2 - tilt, 1 - sides, sides / 2 + tilt])
    truth = np.where(np.abs(returns) > 0.02, np.sign(returns), 0)
    columns = {"y_true": truth, "y_pred": p.argmax(axis=0) - 1, "p_short": p[0], "p_neutral": p[1], "p_long": p[2]}
    frame = long_table(returns, columns).with_columns(pl.col("y_true", "y_pred").cast(pl.Int8))
    return frame.select(pl.lit(model).alias("model"), pl.all())


def return_table(model: str, returns: Array, predicted: Array | float) -> pl.DataFrame:
    frame = long_table(returns, {"y_true": returns, "y_pred": np.broadcast_to(predicted, returns.shape)})
    return frame.select(pl.lit(model).alias("model"), pl.all())


def head(timestamps: int = 600, seed: int = 1, skill: float = 0.0) -> pl.DataFrame:
    """A classification head: a class prior, and a model that knows volatility and, with ``skill``, direction."""
    returns, volatility = market(timestamps, seed)
    score = 0.3 * slow_score(returns.shape, seed + 1) + skill * np.tanh(returns / 0.02)
    prior = class_table("class_prior", returns, np.zeros_like(returns), np.full(returns.shape, 0.45))
    return pl.concat([class_table("boosted", returns, score, volatility - 0.6), prior])


ROLES = {"boosted": "model", "class_prior": "baseline"}


def evaluated(oos: pl.DataFrame, rule: EvaluationRule = QUICK) -> Facts:
    return evaluate(oos, kind="classification", roles=ROLES, horizon=HORIZON, rule=rule)


def evaluated_returns(
    timestamps: int, seed: int, skill: float = 0.0, score: Array | None = None
) -> tuple[Facts, Array, Array]:
    returns, _ = market(timestamps, seed)
    score = slow_score(returns.shape, seed + 1000) if score is None else score
    predicted = 0.001 * score + skill * returns
    return evaluated_forecast(returns, predicted), returns, predicted


def evaluated_forecast(returns: Array, predicted: Array) -> Facts:
    oos = pl.concat([return_table("ridge", returns, predicted), return_table("zero", returns, 0.0)])
    roles = {"ridge": "model", "zero": "baseline"}
    return evaluate(oos, kind="regression", roles=roles, horizon=HORIZON, rule=QUICK)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return head()


@pytest.fixture(scope="module")
def result(table: pl.DataFrame) -> Facts:
    return evaluated(table)


def test_the_shape_of_a_classification_evaluation(result: Facts) -> None:
    assert set(result["models"]) == {"boosted", "boosted (volatility only)", "class_prior"}
    assert {name: told["role"] for name, told in result["models"].items()} == {
        "boosted": "model",
        "boosted (volatility only)": "volatility_only",
        "class_prior": "baseline",
    }
    for told in result["models"].values():
        assert set(told["metrics"]) == set(told["full_span"]) == set(METRICS["classification"])
        assert [fold["fold"] for fold in told["folds"]] == [1, 2, 3, 4, 5]
        assert np.array(told["confusion"]).sum() == result["rows"]
        assert set(told["roc"]) == {"SHORT", "NEUTRAL", "LONG"}
    assert set(result["models"]["boosted"]["versus"]) == {"class_prior", "boosted (volatility only)"}
    assert set(result["models"]["class_prior"]["versus"]) == set()
    assert set(result["skill"]) == {"boosted", "class_prior"}
    assert set(result["breakdown"]) == {"boosted"}
    assert set(result["breakdown"]["boosted"]) == {"volatility", "hour", "entity"}
    assert set(result["metric_info"]["mcc"]) == {"label", "better", "definition", "unit"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_shape_of_a_regression_evaluation() -> None:
    result, _, _ = evaluated_returns(300, seed=1)
    told = result["models"]["ridge"]
    assert set(told["metrics"]) == set(METRICS["regression"])
    assert len(told["scatter"]["predicted"]) == 500
    assert sum(told["residuals"]["counts"]) == result["rows"]
    assert result["models"]["zero"]["metrics"]["ic"] == {"value": None, "low": None, "high": None}
    assert told["versus"]["zero"]["ic"]["difference"] is None
    assert told["versus"]["zero"]["rmse"]["difference"] is not None
    assert result["skill"]["ridge"]["volatility"] == {}
    assert "class_shares" not in result
    json.dumps(result, allow_nan=False)


def test_counts_describe_the_common_rows(table: pl.DataFrame, result: Facts) -> None:
    common = table.filter((pl.col("fold") >= 3) & (pl.col("model") == "boosted"))
    assert result["rows"] == common.height == 360 * 3
    assert (result["timestamps"], result["entities"], result["horizon"]) == (360, 3, HORIZON)
    assert result["common_folds"] == [3, 4, 5]
    assert result["span"] == [common["time"].min().isoformat(), common["time"].max().isoformat()]
    assert sum(result["class_shares"].values()) == pytest.approx(1.0)
    assert result["block_length"] >= HORIZON
    assert 360 / HORIZON < result["effective_rows"] < 2 * 360 / HORIZON


def test_metrics_are_those_of_the_common_rows_and_full_span_those_of_all(table: pl.DataFrame, result: Facts) -> None:
    rows = table.filter(pl.col("model") == "boosted")
    common = rows.filter(pl.col("fold") >= 3)
    told = result["models"]["boosted"]
    p = ["p_short", "p_neutral", "p_long"]
    assert told["metrics"]["accuracy"]["value"] == pytest.approx(accuracy_score(common["y_true"], common["y_pred"]))
    assert told["metrics"]["log_loss"]["value"] == pytest.approx(log_loss(common["y_true"], common[p].to_numpy()))
    assert told["full_span"]["accuracy"] == pytest.approx(accuracy_score(rows["y_true"], rows["y_pred"]))


def test_folds_are_measured_one_by_one(table: pl.DataFrame, result: Facts) -> None:
    told = result["models"]["boosted"]
    by_fold = [
        accuracy_score(part["y_true"], part["y_pred"])
        for _, part in table.filter(pl.col("model") == "boosted").sort("fold").group_by("fold", maintain_order=True)
    ]
    assert [fold["accuracy"] for fold in told["folds"]] == pytest.approx(by_fold)
    assert [fold["rows"] for fold in told["folds"]] == [360] * 5
    assert told["fold_mean"]["accuracy"] == pytest.approx(np.mean(by_fold))
    assert told["fold_std"]["accuracy"] == pytest.approx(np.std(by_fold, ddof=1))


def test_folds_where_a_metric_is_undefined_are_left_out_of_its_mean(result: Facts) -> None:
    told = result["models"]["class_prior"]
    assert {fold["direction_ic"] for fold in told["folds"]} == {None}
    assert told["fold_mean"]["direction_ic"] is None
    assert told["fold_std"]["direction_ic"] is None


def test_rows_without_a_label_are_left_out_and_counted(table: pl.DataFrame) -> None:
    """Four decisions at the end, and one in the first fold, which is not among the common rows."""
    labelled = (pl.col("time") <= table["time"].max() - timedelta(hours=16)) & (pl.col("time") > table["time"].min())
    result = evaluated(table.with_columns(y_true=pl.when(labelled).then("y_true")))
    assert result["unlabelled"] == 4 * 3
    assert result["models"] == evaluated(table.filter(labelled))["models"]


def test_only_rows_that_all_models_answered_are_common(table: pl.DataFrame) -> None:
    late = table["time"].min() + timedelta(hours=4 * 400)
    result = evaluated(table.filter((pl.col("model") == "class_prior") | (pl.col("time") >= late)))
    assert result["rows"] == 200 * 3
    assert np.array(result["models"]["class_prior"]["confusion"]).sum() == 200 * 3
    assert sum(fold["rows"] for fold in result["models"]["class_prior"]["folds"]) == 600 * 3


def test_the_order_of_the_rows_does_not_matter(table: pl.DataFrame, result: Facts) -> None:
    assert evaluated(table.sample(fraction=1.0, shuffle=True, seed=1)) == result


def test_differences_are_paired(table: pl.DataFrame) -> None:
    twin = table.filter(pl.col("model") == "boosted").with_columns(model=pl.lit("class_prior"))
    result = evaluated(pl.concat([table.filter(pl.col("model") == "boosted"), twin]))
    same = result["models"]["boosted"]["versus"]["class_prior"]
    assert all(entry == {"difference": 0.0, "low": 0.0, "high": 0.0} for entry in same.values())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"seed": 1}, "low"),
        ({"replications": 300}, "low"),
        ({"confidence": 0.8}, "low"),
        ({"common_from_fold": 2}, "value"),
    ],
)
def test_every_parameter_of_the_rule_counts(table: pl.DataFrame, result: Facts, change: Facts, part: str) -> None:
    changed = evaluated(table, EvaluationRule(**{"replications": 200, **change}))
    before, after = (r["models"]["boosted"]["metrics"]["accuracy"][part] for r in (result, changed))
    assert before != after


def test_volatility_skill_is_the_gain_of_the_blind_twin_over_the_prior(table: pl.DataFrame, result: Facts) -> None:
    volatility = result["skill"]["boosted"]["volatility"]
    models = {name: told["metrics"] for name, told in result["models"].items()}
    for name, sign in {"log_loss": -1, "accuracy": 1, "mcc": 1}.items():
        gain = sign * (models["boosted (volatility only)"][name]["value"] - models["class_prior"][name]["value"])
        assert volatility[name]["value"] == pytest.approx(gain)
        assert volatility[name]["low"] <= gain <= volatility[name]["high"]
    assert evaluated(table, EvaluationRule(replications=50, prior="nobody"))["skill"]["boosted"]["volatility"] == {}


def test_knowing_volatility_is_no_direction() -> None:
    result = evaluated(head(timestamps=1500, seed=3))
    skill = result["skill"]["boosted"]
    assert skill["volatility"]["mcc"]["low"] > 0.0
    assert skill["volatility"]["log_loss"]["low"] > 0.0
    assert skill["direction"]["ic"]["low"] < 0.0 < skill["direction"]["ic"]["high"]
    assert abs(skill["direction"]["t_hac"]) < 2.0


def test_a_planted_direction_is_found() -> None:
    result = evaluated(head(timestamps=1500, seed=3, skill=0.1))
    direction = result["skill"]["boosted"]["direction"]
    assert direction["ic"]["low"] > 0.0
    assert direction["t_hac"] > 2.0
    assert direction["ic"] == result["models"]["boosted"]["metrics"]["direction_ic"]


def test_intervals_of_useless_forecasts_cover_zero_about_as_often_as_they_say() -> None:
    """Overlapping labels, correlated entities, persistent score: 95 % asked for in 40 runs; counting rows fails."""
    covered, careless = [], []
    for seed in range(40):
        result, _, _ = evaluated_returns(500, seed)
        ic = result["models"]["ridge"]["metrics"]["ic"]
        covered.append(ic["low"] <= 0.0 <= ic["high"])
        careless.append(abs(ic["value"]) <= 1.96 / np.sqrt(result["rows"]))
    assert 0.88 <= np.mean(covered) <= 0.99
    assert np.mean(careless) < 0.75


def test_drawing_rows_one_by_one_would_be_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = evaluated_returns(800, seed=5)[0]["models"]["ridge"]["metrics"]["ic"]
    module = import_module("assay.market.evaluation.evaluate")
    monkeypatch.setattr(module, "block_lengths", lambda _: Blocks(1.0, 1.0))
    careless = evaluated_returns(800, seed=5)[0]["models"]["ridge"]["metrics"]["ic"]
    assert honest["high"] - honest["low"] > 1.3 * (careless["high"] - careless["low"])


def so_far(score: Array, folds: int = 5) -> Array:
    """Scores (timestamps, entities) less the mean of their fold up to their timestamp, one by one."""
    timestamps = len(score)
    fold = np.minimum(np.arange(timestamps) * folds // timestamps + 1, folds)
    means = [score[: t + 1][fold[: t + 1] == fold[t]].mean() for t in range(timestamps)]
    return score - np.array(means)[:, None]


def block_wishes(returns: Array, predicted: Array) -> tuple[float, float, float]:
    """What Politis and White ask for, of the products of score and return, of their signs and of the losses."""
    score, realised = so_far(predicted)[240:], returns[240:]
    product = (score * (realised - realised.mean())).mean(axis=1)
    sign = np.sign(predicted[240:] * realised).mean(axis=1)
    loss = ((realised - predicted[240:]) ** 2).mean(axis=1)
    product, sign, loss = (optimal_block([series], horizon=HORIZON) for series in (product, sign, loss))
    return product, sign, loss


@pytest.mark.parametrize(("wild", "seed", "longest"), [(True, 0, "loss"), (False, 1, "product"), (False, 5, "sign")])
def test_blocks_are_twice_as_long_as_the_models_ask_for(wild: bool, seed: int, longest: str) -> None:
    """Losses remember how wild the market is; where that never changes, products or signs may remember longer."""
    calm = np.cumsum(np.random.default_rng(seed).standard_normal((605, 3)), axis=0)
    returns = market(600, seed)[0] if wild else 0.01 * (calm[HORIZON:] - calm[:-HORIZON])
    predicted = 0.001 * slow_score(returns.shape, seed=1000)
    result = evaluated_forecast(returns, predicted)
    wishes = dict(zip(("product", "sign", "loss"), block_wishes(returns, predicted), strict=True))
    assert max(wishes, key=lambda name: wishes[name]) == longest
    assert result["block_length"] == pytest.approx(LONGER * max(wishes["product"], wishes["sign"]))
    assert result["level_block_length"] == pytest.approx(LONGER * max(wishes.values()))


def test_the_longest_block_leaves_four_of_them_and_the_shortest_is_the_horizon() -> None:
    assert evaluated_returns(150, seed=3)[0]["level_block_length"] == 90 / 4
    longer = evaluate(head(150), kind="classification", roles=ROLES, horizon=50, rule=QUICK)
    assert longer["timestamps"] / 4 < longer["block_length"] == longer["level_block_length"] == 50.0


def test_the_ic_is_that_of_scores_less_their_mean_so_far() -> None:
    result, returns, predicted = evaluated_returns(600, seed=2)
    expected = np.corrcoef(so_far(predicted)[240:].ravel(), returns[240:].ravel())[0, 1]
    assert result["models"]["ridge"]["metrics"]["ic"]["value"] == pytest.approx(expected)
    fold = slice(480, 600)
    expected = np.corrcoef(so_far(predicted)[fold].ravel(), returns[fold].ravel())[0, 1]
    assert result["models"]["ridge"]["folds"][4]["ic"] == pytest.approx(expected)


def test_a_forecast_that_changes_from_fold_to_fold_only_has_no_direction(table: pl.DataFrame) -> None:
    """A class prior leans with the drift of its training part, which is no skill."""
    drifting = pl.col("fold") * 0.02
    prior = pl.col("model") == "class_prior"
    moved = table.with_columns(
        p_long=pl.when(prior).then(pl.col("p_long") + drifting).otherwise("p_long"),
        p_short=pl.when(prior).then(pl.col("p_short") - drifting).otherwise("p_short"),
    )
    told = evaluated(moved)
    assert told["models"]["class_prior"]["metrics"]["direction_ic"]["value"] is None
    assert told["models"]["class_prior"]["metrics"]["direction_rank_ic"]["value"] is None
    assert told["skill"]["class_prior"]["direction"]["t_hac"] is None
    assert told["skill"]["class_prior"]["episodes"] == 0


def test_a_score_that_speaks_up_seldom_says_on_how_many_occasions() -> None:
    score = np.zeros((500, 3))
    score[[230, 235, 350, 450]] = 1.0
    sparse, _, _ = evaluated_returns(500, seed=1, score=score)
    steady, _, _ = evaluated_returns(500, seed=1, score=np.ones((500, 3)) * np.resize([1.0, -1.0], 500)[:, None])
    assert sparse["skill"]["ridge"]["episodes"] == 4
    assert 55 <= steady["skill"]["ridge"]["episodes"] <= 60
    assert sparse["skill"]["zero"]["episodes"] == 0


def test_few_occasions_make_a_wide_interval_and_one_makes_none() -> None:
    def width(score: Array) -> float | None:
        ic = evaluated_returns(500, seed=1, score=score)[0]["models"]["ridge"]["metrics"]["ic"]
        return None if ic["low"] is None else ic["high"] - ic["low"]

    often, seldom, once = np.zeros((3, 500, 1))
    often[205::10], seldom[[250, 350, 450]], once[350] = 1.0, 1.0, 1.0
    assert width(once + np.zeros((500, 3))) is None
    assert width(seldom + np.zeros((500, 3))) > 1.5 * width(often + np.zeros((500, 3)))


def test_a_rival_that_says_nothing_takes_no_interval_away() -> None:
    result, _, _ = evaluated_returns(500, seed=1)
    mine, gain = (result["models"]["ridge"][part] for part in ("metrics", "versus"))
    assert result["models"]["zero"]["metrics"]["r2_vs_zero"] == {"value": 0.0, "low": None, "high": None}
    assert result["models"]["zero"]["metrics"]["coverage"] == {"value": 0.0, "low": None, "high": None}
    for key, end in (("difference", "value"), ("low", "low"), ("high", "high")):
        assert gain["zero"]["r2_vs_zero"][key] == pytest.approx(mine["r2_vs_zero"][end])
    assert gain["zero"]["ic"]["low"] is None


def test_a_difference_rests_on_no_more_blocks_than_its_sides() -> None:
    many, few, none = (Resampled(np.ones(3), degrees, 5.0) for degrees in (9.0, 2.0, -1.0))
    assert (many - few).degrees == (few - many).degrees == 2.0
    assert (many - none).degrees == (none - many).degrees == 9.0
    assert (none - none).degrees == -1.0
    assert (many - few).replicates.tolist() == [0.0] * 3


def test_shares_do_not_leave_zero_to_one() -> None:
    result, _, _ = evaluated_returns(60, seed=1, skill=0.3)
    accuracy = result["models"]["ridge"]["metrics"]["directional_accuracy"]
    assert accuracy["value"] < accuracy["high"] == 1.0


def test_the_horizon_reaches_blocks_lags_and_effective_rows(table: pl.DataFrame, result: Facts) -> None:
    longer = evaluate(table, kind="classification", roles=ROLES, horizon=80, rule=QUICK)
    rows = table.filter((pl.col("model") == "boosted") & (pl.col("fold") >= 3)).sort("time", "entity")
    whole = table.filter(pl.col("model") == "boosted").sort("time", "entity")
    score = so_far((whole["p_long"] - whole["p_short"]).to_numpy().reshape(-1, 3))[240:].ravel()
    t = ic_t(score, rows["forward_return"].to_numpy(), np.arange(0, rows.height, 3), horizon=80)
    assert longer["block_length"] >= 80.0
    assert longer["skill"]["boosted"]["direction"]["t_hac"] == pytest.approx(t)
    assert t != pytest.approx(result["skill"]["boosted"]["direction"]["t_hac"])
    assert longer["effective_rows"] == pytest.approx(result["effective_rows"] * HORIZON / 80)


@pytest.mark.parametrize("roles", [{"boosted": "model"}, {"boosted": "modell", "class_prior": "baseline"}])
def test_models_without_a_role_are_an_error(table: pl.DataFrame, roles: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"roles of the models: do not match(.|\n)*class_prior"):
        evaluate(table, kind="classification", roles=roles, horizon=HORIZON, rule=QUICK)


def test_too_few_folds_are_an_error(table: pl.DataFrame) -> None:
    with pytest.raises(ConfigurationError, match=r"common_from_fold: leaves no fold(.|\n)*last fold, 5(.|\n)*found: 6"):
        evaluated(table, EvaluationRule(common_from_fold=6))


def test_no_labels_are_an_error(table: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="no labelled row that all models answered"):
        evaluated(table.with_columns(y_true=pl.lit(None, dtype=pl.Int8)))


def test_scores_of_a_bundle_are_those_of_the_full_span(table: pl.DataFrame, result: Facts) -> None:
    for name in ("boosted", "class_prior"):
        assert out_of_sample_scores(table, name, kind="classification") == result["models"][name]["full_span"]
    nobody = out_of_sample_scores(table, "nobody", kind="classification")
    assert set(nobody) == set(result["metric_info"])
    assert set(nobody.values()) == {None}
