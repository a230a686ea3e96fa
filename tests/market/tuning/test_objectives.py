"""Objectives: values that were worked out by hand, and those of scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics

from assay.market.tuning import Objective
from assay.market.tuning.objectives import Outcome, raw_value, score
from assay.market.tuning.objectives.accuracy import accuracy
from assay.market.tuning.objectives.accuracy_direction import accuracy_direction, directional_accuracy
from assay.market.tuning.objectives.ic import ic
from assay.market.tuning.objectives.log_loss import log_loss
from assay.market.tuning.objectives.mcc import mcc
from assay.market.tuning.objectives.mse import mse
from assay.market.tuning.objectives.sharpe import sharpe

TRUTH = np.array([-1, 0, 1, 1, -1], dtype=np.int8)
CALLED = np.array([-1, 0, 1, -1, 0], dtype=np.int8)


def test_log_loss() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    assert log_loss(np.array([-1, 0, 1]), p) == pytest.approx(-np.log([0.5, 0.3, 0.6]).mean())
    assert log_loss(np.array([-1, 0, 1]), p) == pytest.approx(metrics.log_loss([-1, 0, 1], p))
    assert log_loss(np.array([1]), np.array([[1.0, 0, 0]])) == pytest.approx(-np.log(1e-15))


def test_accuracy_and_direction() -> None:
    assert accuracy(TRUTH, CALLED) == 3 / 5
    assert directional_accuracy(TRUTH, CALLED) == 2 / 4  # the NEUTRAL call on a move is a miss
    assert directional_accuracy(np.zeros(3), np.ones(3, dtype=np.int8)) == 0
    assert accuracy_direction(TRUTH, CALLED, weight=0.7) == pytest.approx(0.7 * 0.6 + 0.3 * 0.5)
    assert accuracy_direction(TRUTH, CALLED, weight=1.0) == pytest.approx(0.6)


def test_mcc() -> None:
    assert mcc(TRUTH, TRUTH) == pytest.approx(1)
    assert mcc(TRUTH, np.zeros(5, dtype=np.int8)) == 0
    assert mcc(np.ones(5), CALLED) == 0
    rng = np.random.default_rng(0)
    truth, calls = rng.integers(-1, 2, (2, 200))
    assert mcc(truth, calls) == pytest.approx(metrics.matthews_corrcoef(truth, calls))


def test_mse_and_ic() -> None:
    assert mse(np.array([1.0, 2.0]), np.array([0.0, 4.0])) == 2.5
    assert ic(np.array([1.0, 3, 2, 9]), np.array([1.0, 2, 3, 4])) == pytest.approx(0.8)
    assert ic(np.zeros(3), np.array([1.0, 2, 3])) == 0
    tied = np.array([1.0, 1, 2, 0, 2]), np.array([3.0, 1, 1, 2, 5])
    assert ic(*tied) == pytest.approx(spearmanr(*tied).statistic)


def test_sharpe_of_decisions() -> None:
    time = np.array([0, 0, 1, 1, 2, 2])
    side = np.array([1, -1, 1, 0, 0, 0], dtype=np.int8)
    returns = np.array([0.02, 0.01, 0.03, 0.5, 0.1, 0.1])
    per_time = np.array([(0.02 - 0.001 - 0.01 - 0.001) / 2, (0.03 - 0.001) / 2, 0.0])
    assert sharpe(side, returns, time, cost_bp=10) == pytest.approx(per_time.mean() / per_time.std(ddof=1))
    shuffled = np.array([4, 1, 3, 0, 5, 2])
    again = sharpe(side[shuffled], returns[shuffled], time[shuffled], cost_bp=10)
    assert again == pytest.approx(per_time.mean() / per_time.std(ddof=1))
    assert sharpe(side, returns, time, cost_bp=0) > sharpe(side, returns, time, cost_bp=10)


def test_sharpe_where_nothing_varies() -> None:
    assert sharpe(np.zeros(4, dtype=np.int8), np.ones(4), np.arange(4), cost_bp=10) == 0
    assert sharpe(np.ones(2, dtype=np.int8), np.ones(2), np.zeros(2, dtype=int), cost_bp=10) == 0


def outcome(*, classes: bool) -> Outcome:
    returns, time = np.array([-0.02, 0.0, 0.01, 0.03, -0.01]), np.arange(5)
    if not classes:
        return Outcome(returns, np.array([-0.01, 0.01, 0.0, 0.02, 0.01]), returns, time)
    out = np.eye(3)[CALLED + 1] * 0.4 + 0.2
    return Outcome(TRUTH, out, returns, time)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_loss", -np.log([0.6, 0.6, 0.6, 0.2, 0.2]).mean()),
        ("accuracy", 0.6),
        ("accuracy_direction", 0.7 * 0.6 + 0.3 * 0.5),
        ("mcc", metrics.matthews_corrcoef(TRUTH, CALLED)),
        ("ic", spearmanr(CALLED, [-0.02, 0.0, 0.01, 0.03, -0.01]).statistic),
        ("sharpe", np.mean(nets := [0.019, 0, 0.009, -0.031, 0]) / np.std(nets, ddof=1)),
    ],
)
def test_objectives_of_classes_by_name(name: str, expected: float) -> None:
    rule = Objective.model_validate({"classification": name})
    assert rule.of("classification") == name
    assert raw_value(name, outcome(classes=True), rule) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", np.mean(np.array([0.01, 0.01, 0.01, 0.01, 0.02]) ** 2)),
        ("ic", spearmanr([-0.01, 0.01, 0.0, 0.02, 0.01], [-0.02, 0.0, 0.01, 0.03, -0.01]).statistic),
        ("sharpe", np.mean(nets := [0.019, -0.001, 0, 0.029, -0.011]) / np.std(nets, ddof=1)),
    ],
)
def test_objectives_of_values_by_name(name: str, expected: float) -> None:
    rule = Objective.model_validate({"regression": name})
    assert rule.of("regression") == name
    assert raw_value(name, outcome(classes=False), rule) == pytest.approx(expected)


def test_parameters_of_objectives_are_read() -> None:
    told = outcome(classes=True)
    assert raw_value("accuracy_direction", told, Objective(accuracy_weight=0.2)) == pytest.approx(0.2 * 0.6 + 0.8 * 0.5)
    assert raw_value("sharpe", told, Objective(cost_bp=0)) > raw_value("sharpe", told, Objective(cost_bp=50))


def test_more_of_a_score_is_better() -> None:
    assert [score(name, 2.0) for name in ("log_loss", "mse")] == [-2, -2]
    assert {score(name, 2.0) for name in ("accuracy", "accuracy_direction", "mcc", "ic", "sharpe")} == {2}


def test_only_what_an_objective_reads_is_part_of_it() -> None:
    rule = Objective(classification="sharpe", regression="ic", cost_bp=3)
    assert rule.settings("classification") == {"name": "sharpe", "cost_bp": 3}
    assert rule.settings("regression") == {"name": "ic"}
    weighed = Objective(classification="accuracy_direction", accuracy_weight=0.5)
    assert weighed.settings("classification") == {"name": "accuracy_direction", "accuracy_weight": 0.5}
