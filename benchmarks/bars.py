"""Made-up daily bars: the same random walks for every contender. Needs numpy alone."""

import numpy as np

PRICES = ("open", "high", "low", "close", "volume", "vwap")


def made_up(entities: int, days: int) -> dict[str, np.ndarray]:
    """Columns ``entity``, ``time`` and `PRICES`, sorted by entity and time; float64."""
    rng = np.random.default_rng(158)
    rows = entities * days
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (entities, days)), axis=1)).ravel()
    opens = close * np.exp(rng.normal(0, 0.01, rows))
    high = np.maximum(opens, close) * np.exp(rng.exponential(0.005, rows))
    low = np.minimum(opens, close) * np.exp(-rng.exponential(0.005, rows))
    volume = np.exp(rng.normal(12, 1, rows))
    time = np.datetime64("2010-01-01", "us") + np.arange(days) * np.timedelta64(1, "D")
    return {
        "entity": np.repeat([f"E{i:04d}" for i in range(entities)], days),
        "time": np.tile(time, entities),
        **dict(zip(PRICES, (opens, high, low, close, volume, (high + low + close) / 3), strict=True)),
    }
