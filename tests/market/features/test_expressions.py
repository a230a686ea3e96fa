"""The true range against TA-Lib, and where it is undefined."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import talib

from assay.market.features.expressions import TRUE_HIGH, TRUE_LOW, TRUE_RANGE


def test_agrees_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(2, entities=1, bars=200)
    found = panel.select(range=TRUE_RANGE, sides=TRUE_HIGH - TRUE_LOW)
    high, low, close = (panel[name].to_numpy() for name in ("high", "low", "close"))
    expected = talib.TRANGE(high, low, close)
    np.testing.assert_allclose(found["range"].to_numpy()[1:], expected[1:], rtol=1e-12)
    assert found["range"][1:].equals(found["sides"][1:])


def test_gaps_count_and_missing_prices_do_not_pass() -> None:
    bars = pl.DataFrame(
        {
            "high": [3.0, 9.0, 4.0, None, 4.0, 4.0],
            "low": [2.0, 8.0, 3.0, 2.0, None, 3.0],
            "close": [2.5, 8.5, 3.5, 3.0, 3.0, 3.5],
        }
    )
    assert bars.select(TRUE_RANGE).to_series().to_list() == [None, 6.5, 5.5, None, None, 1.0]
