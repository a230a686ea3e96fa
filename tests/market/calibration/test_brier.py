import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from assay.market.calibration import brier, decompose


def test_brier_score_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet([1, 2, 3], 200), rng.integers(0, 3, 200)
    assert brier(p, y).mean() == pytest.approx(brier_score_loss(y, p, labels=[0, 1, 2]))
    assert brier(np.array([[1.0, 0, 0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]), np.array([0, 2, 1])) == pytest.approx(
        [0, 2, 2 / 3]
    )


def test_decomposition_of_a_known_example() -> None:
    """Three forecasts, five times each, that came true 1, 2 and 4 times: .20333 = .01667 - .06222 + .24889."""
    bins = np.repeat([0, 1, 2], 5)
    outcome = np.array([1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0], dtype=float)
    forecast = np.array([0.1, 0.4, 0.6])[bins]
    parts = decompose(forecast, outcome, bins)
    assert ((forecast - outcome) ** 2).mean() == pytest.approx(0.20333, abs=5e-6)
    assert parts == pytest.approx(
        {"reliability": 0.01667, "resolution": 0.06222, "uncertainty": 0.24889, "within": 0.0}, abs=5e-6
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_parts_add_up_whatever_the_bins(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    p, y, groups = rng.random(50), (rng.random(50) < 0.4).astype(float), rng.integers(0, bins, 50)
    parts = decompose(p, y, groups)
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within"]
    assert total == pytest.approx(((p - y) ** 2).mean())
