"""Out-of-sample predictions of classes with known faults, labels that overlap, entities that move together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

START = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
MakeOos = Callable[..., pl.DataFrame]


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def true_probabilities(signal: np.ndarray, skill: float) -> np.ndarray:
    """Of returns below -0.43, between, and above 0.43, when their correlation with the signal is ``skill``."""
    low, high = (ndtr((cut - skill * signal) / np.sqrt(1 - skill**2)) for cut in (-0.43, 0.43))
    return np.column_stack([low, high - low, 1 - high])


def overlapping(noise: np.ndarray, horizon: int) -> np.ndarray:
    """Sums of ``horizon`` neighbours along the first axis, scaled to variance 1; shorter by ``horizon - 1``."""
    total = np.cumsum(np.concatenate([np.zeros((1, *noise.shape[1:])), noise]), axis=0)
    return (total[horizon:] - total[:-horizon]) / np.sqrt(horizon)


def make_oos(
    bars: int = 600, entities: int = 2, horizon: int = 3, sharpness: float = 4.0, folds: int = 5, seed: int = 0
) -> pl.DataFrame:
    """One model ``bold`` whose log-odds are ``sharpness`` times what they should be; the last labels are missing."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((bars, entities))
    shared, own = rng.standard_normal((bars + horizon - 1, 1)), rng.standard_normal((bars + horizon - 1, entities))
    noise = overlapping(0.8 * shared + 0.6 * own, horizon)
    value = 0.3 * signal + np.sqrt(1 - 0.3**2) * noise
    p = softmax(sharpness * np.log(true_probabilities(signal.T.ravel(), 0.3)))
    bar = np.tile(np.arange(bars), entities)
    times = pl.Series([START + HOUR * int(b) for b in bar], dtype=TIME)
    known = pl.Series(bar + horizon < bars)
    value = value.T.ravel()
    return pl.DataFrame(
        {
            "model": "bold",
            "entity": np.repeat([f"E{e}" for e in range(entities)], bars),
            "time": times,
            "label_end": times + HOUR * horizon,
            "fold": pl.Series(bar * folds // bars + 1, dtype=pl.Int32),
            "train_end": times - HOUR * bars,
            "forward_return": 0.01 * value,
            "scale": 0.01,
            "y_true": pl.Series(np.where(np.abs(value) > 0.43, np.sign(value), 0), dtype=pl.Int8),
            "y_pred": pl.Series(np.zeros(len(bar)), dtype=pl.Int8),
            "p_short": p[:, 0],
            "p_neutral": p[:, 1],
            "p_long": p[:, 2],
        }
    ).with_columns(pl.when(known).then(name).alias(name) for name in ("label_end", "forward_return", "y_true"))


@pytest.fixture(scope="session")
def oos() -> MakeOos:
    """Maker of out-of-sample predictions."""
    return make_oos
