"""The best of many trials: printed values, integrals and Monte Carlo."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.cluster import AgglomerativeClustering

from assay.market.significance import (
    Track,
    cluster_trials,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    minimum_backtest_length,
    probabilistic_sharpe_ratio,
    track_record,
)

CHOSEN = Track(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=10.0)  # the example of the paper of 2014
VARIANCE = 0.5 / 250


def test_deflated_sharpe_ratio_as_printed() -> None:
    assert expected_maximum_sharpe(100, VARIANCE, approximate=True) == pytest.approx(0.11317, abs=5e-6)
    found = [
        deflated_sharpe_ratio(track, trials=n, variance=VARIANCE, approximate=True)
        for track, n in ((CHOSEN, 100), (CHOSEN, 46), (Track(CHOSEN.sharpe, 1250), 88))
    ]
    assert found == pytest.approx([0.90040, 0.95050, 0.95049], abs=5e-6)


def test_one_trial_is_not_deflated() -> None:
    assert deflated_sharpe_ratio(CHOSEN, trials=1, variance=VARIANCE) == probabilistic_sharpe_ratio(CHOSEN)
    assert expected_maximum_sharpe(1, VARIANCE, approximate=True) == 0.0


@pytest.mark.parametrize("trials", [2, 3, 10, 1000, 100_000])
def test_the_expected_maximum_is_the_integral(trials: int) -> None:
    def density(x: float) -> float:
        return x * trials * stats.norm.pdf(x) * stats.norm.cdf(x) ** (trials - 1)

    exact = integrate.quad(density, -8, 9, limit=400, points=[0, 3, 4, 5])[0]
    assert expected_maximum_sharpe(trials, 4.0) == pytest.approx(2 * exact, rel=1e-6)


def test_the_approximation_is_as_far_off_as_stated() -> None:
    exact, approximate = ([expected_maximum_sharpe(n, 1.0, approximate=a) for n in (10, 2)] for a in (False, True))
    assert np.array(approximate) / exact - 1 == pytest.approx([0.023, -0.079], abs=1e-3)
    assert exact[1] == pytest.approx(1 / math.sqrt(math.pi))


def test_minimum_backtest_length_as_printed() -> None:
    found = [minimum_backtest_length(1.0, trials=n, approximate=True) for n in (45, 46)]
    assert found == pytest.approx([4.998, 5.036], abs=5e-4)
    assert minimum_backtest_length(2.0, trials=45) == pytest.approx(expected_maximum_sharpe(45, 0.25) ** 2)
    assert minimum_backtest_length(0.0, trials=45) is None


def test_the_deflation_of_2025_has_the_spread_of_a_maximum() -> None:
    """The variance of the larger of two standard normals is 1 - 1 / pi."""
    track = Track(0.1, 500)
    hurdle = expected_maximum_sharpe(2, 1e-3)
    deviation = math.sqrt((1 + hurdle**2 / 2) / 500 * (1 - 1 / math.pi))
    found = deflated_sharpe_ratio(track, trials=2, variance=1e-3, convention="2025")
    assert found == pytest.approx(stats.norm.cdf((0.1 - hurdle) / deviation))
    alone = deflated_sharpe_ratio(track, trials=1, variance=1e-3, convention="2025")
    assert alone == pytest.approx(probabilistic_sharpe_ratio(track, convention="2025"))


def test_the_best_of_many_without_skill_is_believed_only_undeflated() -> None:
    rng = np.random.default_rng(1)
    believed = []
    for _ in range(300):
        returns = rng.standard_normal((250, 40))
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        best = track_record(returns[:, ratios.argmax()])
        deflated = deflated_sharpe_ratio(best, trials=40, variance=ratios.var(ddof=1))
        believed.append((probabilistic_sharpe_ratio(best) > 0.95, deflated > 0.95))
    naive, honest = np.mean(believed, axis=0)
    assert naive > 0.8
    assert honest < 0.05


def test_clusters_are_the_planted_groups() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(5), (1, 2, 3, 4, 6))
    returns = rng.standard_normal((800, 5))[:, groups] + 0.4 * rng.standard_normal((800, 16))
    found = cluster_trials(returns * rng.uniform(0.1, 5.0, 16))
    assert len(np.unique(found)) == 5
    assert all(len(np.unique(found[groups == group])) == 1 for group in range(5))


@pytest.mark.parametrize(("shared", "clusters"), [(0.0, 12), (3.0, 1)])
def test_clusters_can_be_all_or_one(shared: float, clusters: int) -> None:
    rng = np.random.default_rng(3)
    returns = shared * rng.standard_normal((500, 1)) + rng.standard_normal((500, 12))
    assert len(np.unique(cluster_trials(returns))) == clusters
    assert cluster_trials(returns[:, :1]).tolist() == [0]
    assert cluster_trials(returns[:, :0]).tolist() == []


def test_opposites_are_two_ideas() -> None:
    x = np.random.default_rng(4).standard_normal(100)
    assert len(np.unique(cluster_trials(np.column_stack([x, -x])))) == 2


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal((200, 4)) @ rng.standard_normal((4, 20)) + rng.standard_normal((200, 20))
    distance = np.sqrt((1 - np.corrcoef(returns.T)).clip(0) / 2)
    model = AgglomerativeClustering(None, metric="precomputed", linkage="average", distance_threshold=0.5 + 1e-12)
    theirs, ours = model.fit_predict(distance), cluster_trials(returns)
    assert (np.equal.outer(theirs, theirs) == np.equal.outer(ours, ours)).all()
