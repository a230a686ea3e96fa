"""Windows over numpy arrays that keep no running sum: each value depends on its own window, to the last bit."""

import numpy as np

from assay.market.features.feature import Array


def lagged(values: Array, bars: int) -> Array:
    """The value ``bars`` rows earlier, NaN where there is none."""
    late = np.full_like(values, np.nan)
    late[bars:] = values[: len(values) - bars]
    return late


def line_fit(values: Array, window: int) -> tuple[Array, Array]:
    """Least-squares line through the last ``window`` values against 1, 2, ..., ``window``.

    Sums are pivoted on the current value, which keeps them exact on flat windows.

    Args:
        values: Shape (n,), oldest first.
        window: Points per line.

    Returns:
        Slope per row and R squared, each of shape (n,); NaN before the window is full, R squared also where it is flat.
    """
    x = -np.arange(window) + (window - 1) / 2
    products, sums, squares = np.zeros((3, len(values)))
    for lag in range(window):
        step = lagged(values, lag) - values
        products += x[lag] * step
        sums += step
        squares += step * step
    spread = squares - sums * sums / window
    return products / (x @ x), _ratio(products**2, spread * (x @ x))


def correlation(left: Array, right: Array, window: int) -> Array:
    """Pearson correlation of the last ``window`` pairs, by sums pivoted on the current pair.

    Args:
        left: Shape (n,), oldest first.
        right: Shape (n,).
        window: Pairs per value.

    Returns:
        Shape (n,); NaN before the window is full, where a value is missing and where a side is flat.
    """
    x_sum, y_sum, xx, yy, xy = np.zeros((5, len(left)))
    for lag in range(window):
        x, y = lagged(left, lag) - left, lagged(right, lag) - right
        x_sum += x
        y_sum += y
        xx += x * x
        yy += y * y
        xy += x * y
    spread = (xx - x_sum * x_sum / window) * (yy - y_sum * y_sum / window)
    return _ratio(xy - x_sum * y_sum / window, np.sqrt(np.maximum(spread, 0)))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, where=below > 0, out=np.full_like(below, np.nan))
