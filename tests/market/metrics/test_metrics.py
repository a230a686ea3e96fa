import math

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn import metrics as oracle

from assay.market.errors import DataError
from assay.market.metrics import (
    METRICS,
    ClassForecasts,
    Forecasts,
    ReturnForecasts,
    Timing,
    class_forecasts,
    confusion,
    less_mean_so_far,
    residual_histogram,
    return_forecasts,
    roc_curves,
    scatter_sample,
    statistics,
    sum_over,
    sum_per_group,
    volatility_only,
)
from assay.market.metrics.forecasts import Array
from assay.market.significance import BootstrapRule, resample_weights

CLASSES = np.array([-1, 0, 1])


def one_hot(called: object) -> Array:
    return (np.asarray(called)[:, None] == CLASSES).astype(float)


@pytest.fixture
def classes() -> ClassForecasts:
    """Forecasts with some skill, rounded probabilities (ties) and a few zero returns."""
    random = np.random.default_rng(7)
    n = 400
    returns = np.where(random.random(n) < 0.05, 0.0, random.standard_normal(n))
    truth = np.where(np.abs(returns) > 0.6, np.sign(returns), 0.0)
    shares = np.round(random.dirichlet([2, 3, 2], size=n) + 0.2 * one_hot(truth), 2) + 0.01
    probabilities = shares / shares.sum(axis=1, keepdims=True)
    return ClassForecasts(truth, returns, probabilities, one_hot(CLASSES[probabilities.argmax(axis=1)]))


@pytest.fixture
def values() -> ReturnForecasts:
    random = np.random.default_rng(8)
    predicted = random.standard_normal(300) * 0.01
    return ReturnForecasts(truth=0.3 * predicted + 0.02 * random.standard_normal(300) + 0.004, predicted=predicted)


def measured(forecasts: Forecasts, name: str) -> float:
    kind = "classification" if isinstance(forecasts, ClassForecasts) else "regression"
    return float(METRICS[kind][name].value(sum_over(forecasts)))


def called(forecasts: Forecasts) -> Array:
    return CLASSES[forecasts.calls.argmax(axis=1)]


SKLEARN_CLASSES = {
    "accuracy": lambda f: oracle.accuracy_score(f.truth, called(f)),
    "balanced_accuracy": lambda f: oracle.balanced_accuracy_score(f.truth, called(f)),
    "mcc": lambda f: oracle.matthews_corrcoef(f.truth, called(f)),
    "f1_macro": lambda f: oracle.f1_score(f.truth, called(f), average="macro", zero_division=0),
    "precision_macro": lambda f: oracle.precision_score(f.truth, called(f), average="macro", zero_division=0),
    "recall_macro": lambda f: oracle.recall_score(f.truth, called(f), average="macro", zero_division=0),
    "log_loss": lambda f: oracle.log_loss(f.truth, f.probabilities, labels=[-1, 0, 1]),
    "roc_auc_macro": lambda f: oracle.roc_auc_score(f.truth, f.probabilities, multi_class="ovr", average="macro"),
    "direction_ic": lambda f: stats.pearsonr(f.probabilities[:, 2] - f.probabilities[:, 0], f.returns).statistic,
    "direction_rank_ic": lambda f: stats.spearmanr(f.probabilities[:, 2] - f.probabilities[:, 0], f.returns).statistic,
}
SKLEARN_RETURNS = {
    "ic": lambda f: stats.pearsonr(f.predicted, f.truth).statistic,
    "rank_ic": lambda f: stats.spearmanr(f.predicted, f.truth).statistic,
    "r2": lambda f: oracle.r2_score(f.truth, f.predicted),
    "rmse": lambda f: oracle.root_mean_squared_error(f.truth, f.predicted),
    "mse": lambda f: oracle.mean_squared_error(f.truth, f.predicted),
    "mae": lambda f: oracle.mean_absolute_error(f.truth, f.predicted),
    "r2_vs_zero": lambda f: 1 - np.sum((f.truth - f.predicted) ** 2) / np.sum(f.truth**2),
    "directional_accuracy": lambda f: oracle.accuracy_score(np.sign(f.truth), np.sign(f.predicted)),
}


@pytest.mark.parametrize("name", SKLEARN_CLASSES)
def test_class_metric_equals_an_independent_library(classes: ClassForecasts, name: str) -> None:
    assert measured(classes, name) == pytest.approx(SKLEARN_CLASSES[name](classes), abs=1e-12)


@pytest.mark.parametrize("name", ["balanced_accuracy", "mcc", "f1_macro", "precision_macro", "recall_macro"])
@pytest.mark.parametrize(
    ("truth", "calls"),
    [([-1, -1, 1, 1], [0, 0, 1, 1]), ([-1, 0, 1, 0], [0, 0, 0, 0]), ([1, 1, 0, 0], [1, 0, 0, 1])],
    ids=["a class only called", "one class called", "a class nowhere"],
)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_class_metric_with_absent_classes_follows_the_library(truth: list[int], calls: list[int], name: str) -> None:
    forecasts = ClassForecasts(np.array(truth, float), np.zeros(4), np.full((4, 3), 1 / 3), one_hot(calls))
    assert measured(forecasts, name) == pytest.approx(SKLEARN_CLASSES[name](forecasts), abs=1e-12)


@pytest.mark.parametrize("name", SKLEARN_RETURNS)
def test_return_metric_equals_an_independent_library(values: ReturnForecasts, name: str) -> None:
    assert measured(values, name) == pytest.approx(SKLEARN_RETURNS[name](values), abs=1e-12)


def test_every_metric_is_told_and_has_an_oracle_here() -> None:
    by_hand = {"directional_accuracy_tradable", "directional_accuracy_on_moves", "coverage_tradable"}
    by_hand |= {"coverage_on_moves", "coverage"}
    for metrics in METRICS.values():
        for name, metric in metrics.items():
            assert metric.name == name
            assert metric.definition.endswith(".")
            assert metric.better in ("higher", "lower")
    assert by_hand | set(SKLEARN_CLASSES) | set(SKLEARN_RETURNS) == set().union(*METRICS.values())


def test_directional_accuracies_and_their_coverage_by_hand() -> None:
    #        called right, called wrong, neutral called, true neutral with a good sign, zero return
    truth = np.array([1.0, -1.0, 1.0, 0.0, 0.0])
    returns = np.array([0.05, -0.04, 0.06, 0.01, 0.0])
    forecasts = ClassForecasts(truth, returns, np.full((5, 3), 1 / 3), one_hot([1, 1, 0, 1, -1]))
    assert measured(forecasts, "directional_accuracy_tradable") == 2 / 4
    assert measured(forecasts, "coverage_tradable") == 4 / 5
    assert measured(forecasts, "directional_accuracy_on_moves") == 1 / 2
    assert measured(forecasts, "coverage_on_moves") == 2 / 5


def test_a_forecast_of_zero_is_no_call() -> None:
    forecasts = ReturnForecasts(truth=np.array([1.0, -1.0, 1.0, 0.0]), predicted=np.array([2.0, 3.0, 0.0, 1.0]))
    assert measured(forecasts, "directional_accuracy") == 1 / 3
    assert measured(forecasts, "coverage") == 3 / 4


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-9])
def test_a_constant_forecast_has_no_correlation(values: ReturnForecasts, constant: float) -> None:
    forecasts = ReturnForecasts(values.truth, np.full(300, constant))
    assert math.isnan(measured(forecasts, "ic"))
    assert math.isnan(measured(forecasts, "rank_ic"))


def test_the_zero_forecast_has_zero_skill_and_no_direction(values: ReturnForecasts) -> None:
    zero = ReturnForecasts(values.truth, np.zeros(300))
    assert measured(zero, "r2_vs_zero") == 0.0
    assert measured(zero, "r2") < 0.0
    assert math.isnan(measured(zero, "directional_accuracy"))


def test_a_resample_where_a_forecast_is_constant_is_undefined_not_noise() -> None:
    """A resample of the rows before a jump has no correlation, only rounding."""
    ic = METRICS["regression"]["ic"]
    for seed in range(30):
        random = np.random.default_rng(seed)
        split = int(random.integers(5, 35))
        forecasts = ReturnForecasts(random.standard_normal(40), np.repeat(random.random(2), [split, 40 - split]))
        first_rows = {name: column[:split].sum() for name, column in statistics(forecasts)}
        assert not math.isnan(ic.value(sum_over(forecasts)))
        assert math.isnan(ic.value(first_rows))


@pytest.mark.parametrize("name", ["direction_ic", "direction_rank_ic"])
def test_correlations_are_those_of_scores_less_their_mean_so_far(classes: ClassForecasts, name: str) -> None:
    timing = Timing(np.repeat([1, 2], 200), np.repeat(np.arange(100), 4))
    timed = ClassForecasts(classes.truth, classes.returns, classes.probabilities, classes.calls, timing)
    score, returns = timed.score, timed.returns
    if name == "direction_rank_ic":
        score, returns = stats.rankdata(score), stats.rankdata(returns)
    expected = stats.pearsonr(less_mean_so_far(score, timing), returns).statistic
    assert measured(timed, name) == pytest.approx(expected, abs=1e-12)
    assert measured(timed, name) != pytest.approx(measured(classes, name), abs=1e-6)


def test_times_stay_with_their_rows(classes: ClassForecasts, values: ReturnForecasts) -> None:
    timing, rows = Timing(np.repeat([1, 2], [100, 200]), np.arange(300)), np.arange(300) % 7 > 2
    timed = ReturnForecasts(values.truth, values.predicted, timing).take(rows)
    assert timed.timing is not None
    assert (timed.timing.fold == timing.fold[rows]).all()
    assert (timed.timing.time == timing.time[rows]).all()
    assert classes.take(classes.truth > 0).timing is None


def test_a_metric_knows_which_sums_it_reads(classes: ClassForecasts) -> None:
    sums = sum_over(classes)
    assert METRICS["classification"]["log_loss"].sums_in(sums) == {"loss", "n"}
    assert METRICS["classification"]["directional_accuracy_tradable"].sums_in(sums) == {"hits", "calls"}
    assert METRICS["classification"]["coverage_on_moves"].sums_in(sums) == {"moves", "n"}
    for metric in METRICS["classification"].values():
        some = {name: sums[name] for name in metric.sums_in(sums)}
        assert metric.value(some) == metric.value(sums)
        assert metric.carried_by in some


def test_metrics_of_direction_rest_on_what_was_called_or_scored() -> None:
    by_kind = {kind: {name for name, m in found.items() if m.about_direction} for kind, found in METRICS.items()}
    assert by_kind["regression"] == {"ic", "rank_ic", "directional_accuracy", "coverage", "r2_vs_zero"}
    assert {"direction_ic", "directional_accuracy_on_moves"} < by_kind["classification"]
    assert "log_loss" not in by_kind["classification"]


def test_only_shares_have_limits() -> None:
    assert METRICS["classification"]["accuracy"].limits == (0.0, 1.0)
    assert METRICS["classification"]["log_loss"].limits == (-math.inf, math.inf)


def test_no_calls_leave_direction_undefined_but_mcc_zero(classes: ClassForecasts) -> None:
    neutral = ClassForecasts(classes.truth, classes.returns, np.tile([0.2, 0.6, 0.2], (400, 1)), one_hot([0] * 400))
    assert math.isnan(measured(neutral, "directional_accuracy_tradable"))
    assert math.isnan(measured(neutral, "direction_ic"))
    assert measured(neutral, "mcc") == 0.0
    assert measured(neutral, "roc_auc_macro") == pytest.approx(0.5)


def test_roc_auc_is_undefined_without_one_of_the_classes(classes: ClassForecasts) -> None:
    only = classes.take(classes.truth >= 0)
    assert math.isnan(measured(only, "roc_auc_macro"))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_weighted_sums_give_the_metric_of_the_repeated_rows(
    classes: ClassForecasts, values: ReturnForecasts, kind: str
) -> None:
    """The point of sums: a resample needs no rows. Ranks are the exception, tested below."""
    forecasts = classes if kind == "classification" else values
    count = np.random.default_rng(3).poisson(1.0, size=len(forecasts.truth))
    names, sums = sum_per_group(statistics(forecasts), np.arange(len(count)))
    weighted = dict(zip(names, count @ sums, strict=True))
    repeated = sum_over(forecasts.take(np.repeat(np.arange(len(count)), count)))
    for name, metric in METRICS[kind].items():
        if "rank" not in name and "auc" not in name:
            assert metric.value(weighted) == pytest.approx(float(metric.value(repeated)), abs=1e-12), name


@pytest.mark.parametrize("name", ["direction_rank_ic", "roc_auc_macro"])
def test_resampling_first_ranks_spreads_like_ranking_each_resample(classes: ClassForecasts, name: str) -> None:
    rule = BootstrapRule(replications=300)
    names, sums = sum_per_group(statistics(classes), np.arange(400))
    quick, slow = [], []
    for weights in resample_weights(400, block=1.0, rule=rule):
        quick += METRICS["classification"][name].value(dict(zip(names, (weights @ sums).T, strict=True))).tolist()
        for row in weights:
            again = classes.take(np.repeat(np.arange(400), row.astype(int)))
            slow.append(measured(again, name))
    assert np.std(quick) == pytest.approx(np.std(slow), rel=0.1)
    assert np.corrcoef(quick, slow)[0, 1] > 0.97


def test_sums_per_timestamp_add_up_all_its_rows(values: ReturnForecasts) -> None:
    starts = np.array([0, 3, 4, 100])
    names, sums = sum_per_group(statistics(values), starts)
    squares = sums[:, names.index("square")]
    parts = [part.sum() for part in np.split(values.truth**2, starts[1:])]
    assert squares == pytest.approx(parts)


def test_confusion_counts_equal_the_library(classes: ClassForecasts) -> None:
    expected = oracle.confusion_matrix(classes.truth, called(classes), labels=[-1, 0, 1])
    assert (confusion(sum_over(classes)) == expected).all()


def test_volatility_only_keeps_the_size_and_takes_the_side(classes: ClassForecasts) -> None:
    blind = volatility_only(classes)
    assert blind.probabilities[:, 0] == pytest.approx(blind.probabilities[:, 2])
    assert blind.probabilities[:, 1] == pytest.approx(classes.probabilities[:, 1])
    assert blind.probabilities.sum(axis=1) == pytest.approx(np.ones(400))
    assert (blind.calls.sum(axis=1) == 1).all()
    assert set(np.unique(blind.calls)) == {0.0, 0.5, 1.0}
    for name in ("direction_ic", "direction_rank_ic", "directional_accuracy_tradable", "directional_accuracy_on_moves"):
        assert math.isnan(measured(blind, name))
    assert measured(blind, "coverage_tradable") == 0.0


def test_volatility_only_accuracy_is_that_of_a_tossed_coin(classes: ClassForecasts) -> None:
    blind = volatility_only(classes)
    some_side = blind.calls[:, 1] == 0
    sides = [np.where(some_side, side, 0) for side in (-1, 1)]
    assert measured(blind, "accuracy") == pytest.approx(np.mean([np.mean(side == classes.truth) for side in sides]))


def test_roc_curves_lie_on_the_exact_ones(classes: ClassForecasts) -> None:
    curves = roc_curves(classes)
    assert list(curves) == ["SHORT", "NEUTRAL", "LONG"]
    for i, curve in enumerate(curves.values()):
        fpr, tpr, _ = oracle.roc_curve(
            classes.truth == CLASSES[i], classes.probabilities[:, i], drop_intermediate=False
        )
        exact = set(zip(fpr.round(12), tpr.round(12), strict=True))
        assert set(zip(np.round(curve["fpr"], 12), np.round(curve["tpr"], 12), strict=True)) <= exact
        assert len(curve["fpr"]) == len(curve["tpr"]) == 101
        assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0.0, 0.0, 1.0, 1.0)
        assert curve["auc"] == pytest.approx(oracle.auc(fpr, tpr))


def test_roc_of_an_absent_class_is_empty(classes: ClassForecasts) -> None:
    assert roc_curves(classes.take(classes.truth >= 0))["SHORT"] == {"fpr": [], "tpr": [], "auc": None}


def test_figures_are_thinned_but_count_every_row() -> None:
    random = np.random.default_rng(2)
    values = ReturnForecasts(random.standard_t(3, size=2000), random.standard_normal(2000))
    cloud, bars = scatter_sample(values), residual_histogram(values)
    assert len(cloud["predicted"]) == len(cloud["realised"]) == 500
    assert cloud["realised"][0] == values.truth[0]
    assert cloud["realised"][-1] == values.truth[-1]
    assert sum(bars["counts"]) == 2000
    assert len(bars["edges"]) == 41
    assert bars["edges"][0] == pytest.approx(np.quantile(values.truth - values.predicted, 0.005))


def test_residuals_that_never_vary_still_make_a_histogram() -> None:
    bars = residual_histogram(ReturnForecasts(np.ones(5), np.zeros(5)))
    assert sum(bars["counts"]) == 5
    returns = np.random.default_rng(3).standard_normal(40)
    assert sum(residual_histogram(ReturnForecasts(returns, returns + 0.1))["counts"]) == 40


def prediction_rows(**columns: object) -> pl.DataFrame:
    rows = {"fold": [1, 1], "time": [0, 1], "y_true": [1, 0], "y_pred": [1, 1], "forward_return": [0.1, 0.0]}
    rows |= {"p_short": [0.2, 0.3], "p_neutral": [0.3, 0.3], "p_long": [0.5, 0.4]}
    return pl.DataFrame(rows | columns)


def test_rows_become_arrays() -> None:
    forecasts = class_forecasts(prediction_rows())
    assert forecasts.score == pytest.approx([0.3, 0.1])
    assert forecasts.side.tolist() == [1, 1]
    assert return_forecasts(prediction_rows(y_true=[0.1, 0.2], y_pred=[0.3, -0.4])).side.tolist() == [1, -1]


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_a_missing_forecast_is_an_error(missing: float | None) -> None:
    with pytest.raises(DataError, match=r"predictions.y_pred: has rows without a value(.|\n)*1 of 2 rows"):
        return_forecasts(prediction_rows(y_true=[0.1, 0.2], y_pred=[0.3, missing]))


@pytest.mark.parametrize("row", [(0.3, 0.3, 0.9), (0.8, 0.3, -0.1)])
def test_probabilities_that_are_none_are_an_error(row: tuple[float, ...]) -> None:
    columns = {name: [1 / 3, p] for name, p in zip(("p_short", "p_neutral", "p_long"), row, strict=True)}
    with pytest.raises(DataError, match="class probabilities: are not a distribution"):
        class_forecasts(prediction_rows(**columns))
