"""What a level takes in terms of the IC: printed values, and a market of random numbers."""

import math

import numpy as np
import pytest

from assay.market.verdict.attainable import (
    ic_for_classes,
    ic_for_direction,
    ic_for_error,
    ic_for_r2,
    ic_for_sharpe,
)


def shares(side: float) -> dict[str, float]:
    return {"SHORT": side, "NEUTRAL": 1.0 - 2.0 * side, "LONG": side}


@pytest.mark.parametrize(
    ("side", "ic"), [(1 / 3, 0.633), (0.40, 0.469), (0.30, 0.622), (0.25, 0.519), (0.22, 0.0), (0.1, 0.0)]
)
def test_an_accuracy_of_55_percent_takes_the_known_ic(side: float, ic: float) -> None:
    assert ic_for_classes("accuracy", 0.55, shares(side)) == pytest.approx(ic, abs=6e-4)


@pytest.mark.parametrize(
    ("ic", "accuracy"), [(0.05, 0.3479), (0.10, 0.3624), (0.20, 0.3922), (0.30, 0.4232), (0.316, 0.4284)]
)
def test_the_accuracy_of_thirds_is_the_known_one(ic: float, accuracy: float) -> None:
    assert ic_for_classes("accuracy", accuracy, shares(1 / 3)) == pytest.approx(ic, abs=4e-4)


@pytest.mark.parametrize("side", [0.2, 1 / 3, 0.4])
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1_macro"])
def test_random_numbers_reach_the_level_with_that_ic(metric: str, side: float) -> None:
    """Draw signal and return, call by the posterior that bins of the signal show, and score with scikit-learn."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    ic, n, rng = 0.4, 400_000, np.random.default_rng(5)
    signal = rng.standard_normal(n)
    returns = ic * signal + math.sqrt(1 - ic**2) * rng.standard_normal(n)
    prior = np.array(list(shares(side).values()))
    truth = np.searchsorted(np.quantile(returns, np.cumsum(prior)[:2]), returns)
    bins = np.searchsorted(np.quantile(signal, np.linspace(0, 1, 301)[1:-1]), signal)
    posterior = np.stack([np.bincount(bins, weights=truth == k) for k in range(3)], axis=1)
    called = (posterior if metric == "accuracy" else posterior / prior).argmax(axis=1)[bins]
    scores = {
        "accuracy": accuracy_score(truth, called),
        "balanced_accuracy": balanced_accuracy_score(truth, called),
        "f1_macro": f1_score(truth, called, average="macro"),
    }
    assert ic_for_classes(metric, float(scores[metric]), shares(side)) == pytest.approx(ic, abs=0.01)


def test_levels_that_cannot_be_told_are_none() -> None:
    assert ic_for_classes("mcc", 0.1, shares(0.3)) is None
    assert ic_for_classes("accuracy", 1.1, shares(0.3)) is None
    assert ic_for_classes("accuracy", 0.5, {"SHORT": 0.0, "NEUTRAL": 0.5, "LONG": 0.5}) is None


@pytest.mark.parametrize(("level", "ic"), [(0.6, 0.309), (0.5, 0.0), (0.5319, 0.1), (0.5641, 0.2)])
def test_calling_signs_takes_the_known_ic(level: float, ic: float) -> None:
    assert ic_for_direction(level) == pytest.approx(ic, abs=3e-4)


def test_explained_variance_is_the_square_of_the_ic() -> None:
    assert ic_for_r2(0.10) == pytest.approx(0.316, abs=3e-4)
    assert ic_for_r2(-0.1) == 0.0


def test_an_error_is_as_small_as_the_ic_makes_it() -> None:
    assert ic_for_error(math.sqrt(1 - 0.1**2) * 0.02, 0.02, squared=False) == pytest.approx(0.1)
    assert ic_for_error((1 - 0.1**2) * 4e-4, 4e-4, squared=True) == pytest.approx(0.1)
    assert ic_for_error(0.03, 0.02, squared=False) == 0.0


@pytest.mark.parametrize(
    ("ic", "bets", "sharpe", "within"),
    [
        (0.05, 365, 0.76, 0.01),
        (0.1, 365, 1.5, 0.05),
        (0.2, 365, 3.1, 0.05),
        (0.1, 8766, 7.5, 0.05),
        (0.3, 8766, 23, 0.6),
    ],
)
def test_a_sharpe_ratio_takes_the_known_ic(ic: float, bets: float, sharpe: float, within: float) -> None:
    """Printed: daily and hourly Sharpe ratios of betting the sign, before costs, each bar an independent bet."""
    assert ic_for_sharpe(sharpe, bets) == pytest.approx(ic, rel=within)


def test_a_sharpe_ratio_of_random_bets() -> None:
    rng = np.random.default_rng(1)
    signal, noise = rng.standard_normal((2, 1_000_000))
    earned = np.sign(signal) * (0.3 * signal + math.sqrt(1 - 0.3**2) * noise)
    assert ic_for_sharpe(float(earned.mean() / earned.std()) * math.sqrt(252), 252) == pytest.approx(0.3, abs=0.005)
    assert ic_for_sharpe(-1.0, 252) == 0.0
