"""The kernel of Alpha158. Importing this module compiles it, so it is imported where it is first needed.

Per entity, `_prepare` lays out the series that windows are taken of, after a margin that stands for missing rows.
Blocks of rows then walk over lags 0 to 59 once: the sums of a shorter window are those of a longer one so far. Each row
adds in the order of the lags, pivoted on its own value, so a result depends on the rows of its windows alone, to the
last bit, and the loops over the rows of a block become vector instructions. Counts are differences of running counts,
which are exact. Quantiles come from one sorted window per length, in which a new value takes the place of the oldest
without a branch.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import float32, float64, int64, njit, types

from assay.market.features.entities import Array as Floats
from assay.market.features.entities import Rows

Singles = npt.NDArray[np.float32]
Part = tuple[int, int, int, int]  # place of the block's first row, rows of the block, first lag, lag after the last
Place = tuple[int, int, int, int]  # place and rows of the block, length of the window and which it is
Function = TypeVar("Function", bound=Callable[..., object])
_READ = types.Array(float64, 1, "C", readonly=True)
_ROWS = types.Array(int64, 1, "C", readonly=True)
_tuple: Any = types.UniTuple
_SIGNATURE = types.void(_tuple(_READ, 6), _tuple(_ROWS, 3), _ROWS, types.boolean, float32[:, ::1])

LENGTHS = (5, 10, 20, 30, 60)
BEFORE = (0, 5, 10, 20, 30)  # the length before
LONGEST = 60
BLOCK = 128  # rows whose sums stay in the fastest cache
MARGIN = 64  # missing rows before the first
EPS = 1e-12
FLAT = 2e-5

OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP = range(6)

# series of the workspace: a value that is missing repeats the one before it and has weight 0
(PRICE, HAS_PRICE, LOG_VOLUME, HAS_PAIR, RATIO, LOG_GROWTH, HAS_CHANGES, TRADED, HAS_VOLUME) = range(9)
(MOVED, HAS_MOVED, GAIN, MOVE, VOLUME_GAIN, VOLUME_MOVE, HIGHS, LOWS, SORTABLE, CLOSES) = range(9, 19)
(PER_CLOSE, PER_VOLUME) = range(19, 21)
# running counts
(N_PRICE, N_PAIR, N_CHANGES, N_VOLUME, N_MOVED, N_MOVES, N_VOLUME_MOVES, N_UP, N_DOWN) = range(21, 30)
SERIES = 30

# sums of a block: where each group begins, and the second to fifth of a group after its first
(TREND, PAIR, CHANGES, VOLUMES, MOVES, GAINS, VOLUME_GAINS, EXTREMES, RANKS, CUTS, END) = (
    at * BLOCK for at in (0, 5, 10, 15, 17, 19, 21, 23, 27, 29, 31)
)
B1, B2, B3, B4 = (at * BLOCK for at in (1, 2, 3, 4))

# columns of the result: the first of each rolling family
(ROC, MA, STD, BETA, RSQR, RESI, MAX, MIN, QTLU, QTLD) = range(13, 63, 5)
(RANK, RSV, IMAX, IMIN, IMXD, CORR, CORD, CNTP, CNTN, CNTD) = range(63, 113, 5)
(SUMP, SUMN, SUMD, VMA, VSTD, WVMA, VSUMP, VSUMN, VSUMD) = range(113, 158, 5)
COLUMNS = 158


def compiled(function: Function) -> Function:
    """Compile a part of the kernel."""
    return cast("Function", njit(function, nogil=True, error_model="numpy"))


@compiled
def _known(value: float, before: float) -> tuple[float, float]:
    """The value and its weight; the one before and 0 where it is missing or infinite."""
    if abs(value) < np.inf:
        return value, 1.0
    return before, 0.0


@compiled
def _prepare(bars: tuple[Floats, ...], start: int, begin: int, stop: int, series: Floats) -> None:
    """Lay out rows ``begin`` to ``stop`` of an entity whose history begins at ``start``."""
    series[:, :MARGIN] = 0
    series[HIGHS, :MARGIN], series[LOWS, :MARGIN] = -np.inf, np.inf
    series[SORTABLE, :MARGIN], series[CLOSES, :MARGIN] = np.inf, np.nan
    for row in range(begin, stop):
        at = row - begin + MARGIN
        close, volume = bars[CLOSE][row], bars[VOLUME][row]
        last = bars[CLOSE][row - 1] if row > start else np.nan
        lately = bars[VOLUME][row - 1] if row > start else np.nan
        _put_prices(series, at, bars[HIGH][row], bars[LOW][row], close)
        _put_volume(series, at, volume)
        _put_changes(series, at, close, last)
        _put_volume_changes(series, at, volume - lately)
        _put_ratios(series, at, close / last, volume / lately, volume)


@compiled
def _put_prices(series: Floats, at: int, high: float, low: float, close: float) -> None:
    series[PRICE, at], has = _known(close, series[PRICE, at - 1])
    series[HAS_PRICE, at] = has
    series[N_PRICE, at] = series[N_PRICE, at - 1] + has
    series[CLOSES, at] = close if has else np.nan
    series[PER_CLOSE, at] = 1 / close if has else np.nan
    series[SORTABLE, at] = close if has else np.inf
    series[HIGHS, at] = high if abs(high) < np.inf else -np.inf
    series[LOWS, at] = low if abs(low) < np.inf else np.inf


@compiled
def _put_volume(series: Floats, at: int, volume: float) -> None:
    series[TRADED, at], has = _known(volume, series[TRADED, at - 1])
    series[HAS_VOLUME, at] = has
    series[N_VOLUME, at] = series[N_VOLUME, at - 1] + has
    series[PER_VOLUME, at] = 1 / (volume + EPS) if has else np.nan
    series[LOG_VOLUME, at], has = _known(np.log(volume + 1), series[LOG_VOLUME, at - 1])
    series[HAS_PAIR, at] = has * series[HAS_PRICE, at]
    series[N_PAIR, at] = series[N_PAIR, at - 1] + series[HAS_PAIR, at]


@compiled
def _put_changes(series: Floats, at: int, close: float, last: float) -> None:
    change, has = _known(close - last, 0.0)
    series[GAIN, at] = change if change > 0 else 0.0
    series[MOVE, at] = abs(change)
    series[N_MOVES, at] = series[N_MOVES, at - 1] + has
    series[N_UP, at] = series[N_UP, at - 1] + (close > last)
    series[N_DOWN, at] = series[N_DOWN, at - 1] + (close < last)


@compiled
def _put_volume_changes(series: Floats, at: int, change: float) -> None:
    change, has = _known(change, 0.0)
    series[VOLUME_GAIN, at] = change if change > 0 else 0.0
    series[VOLUME_MOVE, at] = abs(change)
    series[N_VOLUME_MOVES, at] = series[N_VOLUME_MOVES, at - 1] + has


@compiled
def _put_ratios(series: Floats, at: int, ratio: float, growth: float, volume: float) -> None:
    series[RATIO, at], has_ratio = _known(ratio, series[RATIO, at - 1])
    series[LOG_GROWTH, at], has_growth = _known(np.log(growth + 1), series[LOG_GROWTH, at - 1])
    series[HAS_CHANGES, at] = has_ratio * has_growth
    series[N_CHANGES, at] = series[N_CHANGES, at - 1] + has_ratio * has_growth
    series[MOVED, at], has = _known(abs(ratio - 1) * volume, series[MOVED, at - 1])
    series[HAS_MOVED, at] = has
    series[N_MOVED, at] = series[N_MOVED, at - 1] + has


@compiled
def _walk_trend(x: Floats, has: Floats, sums: Floats, part: Part) -> None:
    """Add up the steps d to earlier prices, d squared, i d, i and i squared, for lags i."""
    at, width, first, last = part
    now = x[at : at + width]
    for lag in range(first, last):
        late, weight = x[at - lag : at - lag + width], has[at - lag : at - lag + width]
        for j in range(width):
            d = weight[j] * (late[j] - now[j])
            sums[j] += d
            sums[B1 + j] += d * d
            sums[B2 + j] += lag * d
            sums[B3 + j] += lag * weight[j]
            sums[B4 + j] += lag * lag * weight[j]


@compiled
def _walk_pairs(x: Floats, y: Floats, has: Floats, sums: Floats, part: Part) -> None:
    """Add up the steps d and e of two series, their squares and their product."""
    at, width, first, last = part
    x_now, y_now = x[at : at + width], y[at : at + width]
    for lag in range(first, last):
        begin, end = at - lag, at - lag + width
        x_late, y_late, weight = x[begin:end], y[begin:end], has[begin:end]
        for j in range(width):
            d = weight[j] * (x_late[j] - x_now[j])
            e = weight[j] * (y_late[j] - y_now[j])
            sums[j] += d
            sums[B1 + j] += e
            sums[B2 + j] += d * d
            sums[B3 + j] += e * e
            sums[B4 + j] += d * e


@compiled
def _walk_moments(x: Floats, has: Floats, sums: Floats, part: Part) -> None:
    at, width, first, last = part
    now = x[at : at + width]
    for lag in range(first, last):
        late, weight = x[at - lag : at - lag + width], has[at - lag : at - lag + width]
        for j in range(width):
            d = weight[j] * (late[j] - now[j])
            sums[j] += d
            sums[B1 + j] += d * d


@compiled
def _walk_totals(x: Floats, y: Floats, sums: Floats, part: Part) -> None:
    at, width, first, last = part
    for lag in range(first, last):
        x_late, y_late = x[at - lag : at - lag + width], y[at - lag : at - lag + width]
        for j in range(width):
            sums[j] += x_late[j]
            sums[B1 + j] += y_late[j]


@compiled
def _walk_extremes(high: Floats, low: Floats, sums: Floats, part: Part) -> None:
    """Find the highest high, its lag, the lowest low and its lag; the oldest of equals."""
    at, width, first, last = part
    for lag in range(first, last):
        highs, lows = high[at - lag : at - lag + width], low[at - lag : at - lag + width]
        for j in range(width):
            sums[B1 + j] = lag if highs[j] >= sums[j] else sums[B1 + j]
            sums[j] = max(highs[j], sums[j])
            sums[B3 + j] = lag if lows[j] <= sums[B2 + j] else sums[B3 + j]
            sums[B2 + j] = min(lows[j], sums[B2 + j])


@compiled
def _walk_ranks(x: Floats, sums: Floats, part: Part) -> None:
    """Count the values below the current one and those equal to it."""
    at, width, first, last = part
    now = x[at : at + width]
    for lag in range(first, last):
        late = x[at - lag : at - lag + width]
        for j in range(width):
            sums[j] += 1.0 if late[j] < now[j] else 0.0
            sums[B1 + j] += 1.0 if late[j] == now[j] else 0.0


@compiled
def _walk(series: Floats, sums: Floats, part: Part) -> None:
    """Add the lags from one window's length to the next."""
    s = series
    _walk_trend(s[PRICE], s[HAS_PRICE], sums[TREND:PAIR], part)
    _walk_pairs(s[PRICE], s[LOG_VOLUME], s[HAS_PAIR], sums[PAIR:CHANGES], part)
    _walk_pairs(s[RATIO], s[LOG_GROWTH], s[HAS_CHANGES], sums[CHANGES:VOLUMES], part)
    _walk_moments(s[TRADED], s[HAS_VOLUME], sums[VOLUMES:MOVES], part)
    _walk_moments(s[MOVED], s[HAS_MOVED], sums[MOVES:GAINS], part)
    _walk_totals(s[GAIN], s[MOVE], sums[GAINS:VOLUME_GAINS], part)
    _walk_totals(s[VOLUME_GAIN], s[VOLUME_MOVE], sums[VOLUME_GAINS:EXTREMES], part)
    _walk_extremes(s[HIGHS], s[LOWS], sums[EXTREMES:RANKS], part)
    _walk_ranks(s[SORTABLE], sums[RANKS:CUTS], part)


@compiled
def _replace(window: Floats, new: Floats, old: float, value: float, length: int) -> None:
    """Copy a sorted window (between two sentinels) with ``value`` in the place of ``old``.

    Without ``old``, the k-th is w[k] if w[k] < old else w[k + 1]; with the new value, the middle one of it and two
    neighbours.
    """
    new[0] = -np.inf
    for k in range(1, length + 1):
        here = window[k] if window[k] < old else window[k + 1]
        below = window[k - 1] if window[k - 1] < old else window[k]
        here = min(value, here)
        new[k] = max(below, here)
    new[length + 1] = np.inf


@compiled
def _quantile(window: Floats, n: int, share: float) -> float:
    """Linear interpolation between the order statistics of the n values that a sorted window holds."""
    if n == 0:
        return np.nan
    place: float = share * (n - 1)
    k = int(place)
    below: float = window[1 + k]
    above = window[2 + k] if k + 1 < n else below
    return below + (above - below) * (place - k)


@compiled
def _slide(series: Floats, windows: Floats, length: int, rows: tuple[int, int], cuts: Floats) -> None:
    """Move a sorted window over some rows; ``cuts`` takes the upper quantiles and, after a block, the lower ones."""
    at, width = rows
    x, count = series[SORTABLE], series[N_PRICE]
    now, then = windows[0], windows[1]
    for j in range(width):
        _replace(now, then, x[at + j - length], x[at + j], length)
        now, then = then, now
        n = int(count[at + j] - count[at + j - length])
        cuts[j] = _quantile(now, n, 0.8)
        cuts[B1 + j] = _quantile(now, n, 0.2)
    for k in range(length + 2):
        windows[0, k] = now[k]


@compiled
def _put_level(series: Floats, sums: Floats, page: Singles, place: Place, absolute: bool) -> None:
    """Put MA, STD, and the trend: BETA, RSQR, RESI. The time of lag i is -i; values count from the current one."""
    at, width, length, k = place
    count, price, per_close = series[N_PRICE], series[PRICE], series[PER_CLOSE]
    for j in range(width):
        n = count[at + j] - count[at + j - length]
        total, squares, times = sums[TREND + j], sums[TREND + B1 + j], sums[TREND + B3 + j]
        mean = total / n
        spread = squares - total * mean
        product = times * mean - sums[TREND + B2 + j]
        span = sums[TREND + B4 + j] - times * times / n
        slope = product / span
        page[MA + k, j] = (price[at + j] + mean) * per_close[at + j]
        page[STD + k, j] = np.sqrt(_not_negative(spread / (n - 1))) * per_close[at + j]
        page[BETA + k, j] = slope * per_close[at + j]
        page[RESI + k, j] = -(mean + slope * times / n) * per_close[at + j]
        fit = slope * product / spread
        page[RSQR + k, j] = np.nan if _flat(spread / (n - 1), price[at + j] + mean, absolute) else fit


@compiled
def _put_correlation(
    series: tuple[Floats, Floats, Floats], sums: Floats, column: Singles, place: Place, absolute: bool
) -> None:
    """Put the correlation of two series; the third counts the rows where both exist."""
    at, width, length, _ = place
    x_now, y_now, count = series
    for j in range(width):
        n = count[at + j] - count[at + j - length]
        x, y = sums[j] / n, sums[B1 + j] / n
        xx, yy = sums[B2 + j] - sums[j] * x, sums[B3 + j] - sums[B1 + j] * y
        flat = _flat(xx / (n - 1), x_now[at + j] + x, absolute) or _flat(yy / (n - 1), y_now[at + j] + y, absolute)
        column[j] = np.nan if flat else (sums[B4 + j] - sums[j] * y) / np.sqrt(xx * yy)


@compiled
def _flat(variance: float, mean: float, absolute: bool) -> bool:
    """Whether a deviation is rounding noise; one that is missing is not."""
    scale = 1.0 if absolute else mean
    return variance <= FLAT * FLAT * scale * scale


@compiled
def _not_negative(value: float) -> float:
    return 0.0 if value < 0 else value


@compiled
def _put_range(series: Floats, sums: Floats, page: Singles, place: Place) -> None:
    """Put ROC, RANK, quantiles, and what extremes tell: MAX, MIN, RSV, IMAX, IMIN, IMXD."""
    at, width, length, k = place
    count, closes, per_close = series[N_PRICE], series[CLOSES], series[PER_CLOSE]
    for j in range(width):
        rows, close, per = min(at - MARGIN + j + 1, length), closes[at + j], per_close[at + j]
        high = sums[EXTREMES + j] if sums[EXTREMES + j] > -np.inf else np.nan
        low = sums[EXTREMES + B2 + j] if sums[EXTREMES + B2 + j] < np.inf else np.nan
        high_at = rows - sums[EXTREMES + B1 + j] + 0 * high
        low_at = rows - sums[EXTREMES + B3 + j] + 0 * low
        rank = (sums[RANKS + j] + (sums[RANKS + B1 + j] + 1) / 2) / (count[at + j] - count[at + j - length])
        page[ROC + k, j] = closes[at + j - length] * per
        page[MAX + k, j] = high * per
        page[MIN + k, j] = low * per
        page[QTLU + k, j] = sums[CUTS + j] * per
        page[QTLD + k, j] = sums[CUTS + B1 + j] * per
        page[RANK + k, j] = rank + 0 * close
        page[RSV + k, j] = (close - low) / (high - low + EPS)
        page[IMAX + k, j] = high_at / length
        page[IMIN + k, j] = low_at / length
        page[IMXD + k, j] = (high_at - low_at) / length


@compiled
def _put_counts(series: Floats, page: Singles, place: Place) -> None:
    at, width, length, k = place
    up, down = series[N_UP], series[N_DOWN]
    for j in range(width):
        rows = min(at - MARGIN + j + 1, length)
        ups, downs = up[at + j] - up[at + j - length], down[at + j] - down[at + j - length]
        page[CNTP + k, j] = ups / rows
        page[CNTN + k, j] = downs / rows
        page[CNTD + k, j] = (ups - downs) / rows


@compiled
def _put_shares(count: Floats, sums: Floats, page: Singles, place: Place) -> None:
    """Put gains, losses and their difference over the movement; ``page`` begins at the family of gains."""
    at, width, length, k = place
    for j in range(width):
        gain, move = sums[j], sums[B1 + j]
        per = 1 / (move + EPS) if count[at + j] > count[at + j - length] else np.nan
        page[k, j] = gain * per
        page[5 + k, j] = (move - gain) * per
        page[10 + k, j] = (2 * gain - move) * per


@compiled
def _put_volumes(series: Floats, sums: Floats, page: Singles, place: Place) -> None:
    """Put VMA, VSTD, WVMA."""
    at, width, length, k = place
    traded, moved, per_volume = series[TRADED], series[MOVED], series[PER_VOLUME]
    count, moves = series[N_VOLUME], series[N_MOVED]
    for j in range(width):
        n = count[at + j] - count[at + j - length]
        mean = sums[VOLUMES + j] / n
        variance = (sums[VOLUMES + B1 + j] - sums[VOLUMES + j] * mean) / (n - 1)
        page[VMA + k, j] = (traded[at + j] + mean) * per_volume[at + j]
        page[VSTD + k, j] = np.sqrt(_not_negative(variance)) * per_volume[at + j]
        n = moves[at + j] - moves[at + j - length]
        mean = sums[MOVES + j] / n
        variance = (sums[MOVES + B1 + j] - sums[MOVES + j] * mean) / (n - 1)
        page[WVMA + k, j] = np.sqrt(_not_negative(variance)) / (moved[at + j] + mean + EPS)


@compiled
def _put_candles(bars: tuple[Floats, ...], row: int, width: int, page: Singles) -> None:
    """Put the shape of the candle and the prices over the close: columns 0 to 12."""
    for j in range(width):
        opened, high, low, close = bars[OPEN][row + j], bars[HIGH][row + j], bars[LOW][row + j], bars[CLOSE][row + j]
        top = close if close > opened or close != close else opened
        bottom = close if close < opened or close != close else opened
        span = high - low + EPS
        page[0, j] = (close - opened) / opened
        page[1, j] = (high - low) / opened
        page[2, j] = (close - opened) / span
        page[3, j] = (high - top) / opened
        page[4, j] = (high - top) / span
        page[5, j] = (bottom - low) / opened
        page[6, j] = (bottom - low) / span
        page[7, j] = (2 * close - high - low) / opened
        page[8, j] = (2 * close - high - low) / span
        page[9, j] = opened / close
        page[10, j] = high / close
        page[11, j] = low / close
        page[12, j] = bars[VWAP][row + j] / close


@compiled
def _put_window(series: Floats, sums: Floats, page: Singles, place: Place, absolute: bool) -> None:
    s = series
    _put_level(s, sums, page, place, absolute)
    _put_range(s, sums, page, place)
    prices = s[PRICE], s[LOG_VOLUME], s[N_PAIR]
    changes = s[RATIO], s[LOG_GROWTH], s[N_CHANGES]
    _put_correlation(prices, sums[PAIR:CHANGES], page[CORR + place[3]], place, absolute)
    _put_correlation(changes, sums[CHANGES:VOLUMES], page[CORD + place[3]], place, absolute)
    _put_counts(s, page, place)
    _put_shares(s[N_MOVES], sums[GAINS:VOLUME_GAINS], page[SUMP:VMA], place)
    _put_shares(s[N_VOLUME_MOVES], sums[VOLUME_GAINS:EXTREMES], page[VSUMP:], place)
    _put_volumes(s, sums, page, place)


@compiled
def _put_block(series: Floats, sums: Floats, windows: Floats, page: Singles, block: tuple[int, int, bool]) -> None:
    """Put the rolling families of a block of rows."""
    at, width, absolute = block
    sums[:CUTS] = 0
    sums[EXTREMES : EXTREMES + BLOCK] = -np.inf
    sums[EXTREMES + B2 : EXTREMES + B3] = np.inf
    for k, length in enumerate(LENGTHS):
        _walk(series, sums, (at, width, BEFORE[k], length))
        _slide(series, windows[k], length, (at, width), sums[CUTS:END])
        _put_window(series, sums, page, (at, width, length, k), absolute)


@compiled
def _fill_windows(x: Floats, windows: Floats, at: int) -> None:
    """Fill the sorted windows with the rows before ``at``."""
    windows[:], windows[:, :, 0] = np.inf, -np.inf
    for k, length in enumerate(LENGTHS):
        now, then = windows[k, 0], windows[k, 1]
        for row in range(max(MARGIN, at - length), at):
            _replace(now, then, np.inf, x[row], length)
            now, then = then, now
        for i in range(length + 2):
            windows[k, 0, i] = now[i]


@compiled
def _longest(starts: Rows, firsts: Rows, stops: Rows) -> int:
    most = 0
    for entity in range(len(starts)):
        most = max(most, stops[entity] - max(starts[entity], firsts[entity] - LONGEST))
    return most


@compiled
def _copy(page: Singles, places: Rows, row: int, width: int, out: Singles) -> None:
    for column in range(COLUMNS):
        if places[column] >= 0:
            for j in range(width):
                out[places[column], row + j] = page[column, j]


@njit(_SIGNATURE, nogil=True, cache=True, error_model="numpy")
def alpha(bars: tuple[Floats, ...], spans: tuple[Rows, Rows, Rows], places: Rows, absolute: bool, out: Singles) -> None:
    """Fill the rows from ``firsts`` to ``stops`` of each entity.

    Args:
        bars: Open, high, low, close, volume and vwap of all rows, NaN where missing.
        spans: ``starts``, ``firsts`` and ``stops`` of the entities.
        places: Per factor its row of ``out``, or -1 where it is not wanted.
        absolute: Whether correlations are undefined below a fixed deviation instead of a share of the mean.
        out: Shape (factors wanted, rows).
    """
    starts, firsts, stops = spans
    series, sums = np.empty((SERIES, MARGIN + _longest(starts, firsts, stops))), np.empty(END)
    windows, page = np.empty((len(LENGTHS), 2, LONGEST + 2)), np.empty((COLUMNS, BLOCK), np.float32)
    for entity in np.flatnonzero(firsts < stops):
        begin = max(starts[entity], firsts[entity] - LONGEST)
        _prepare(bars, starts[entity], begin, stops[entity], series)
        _fill_windows(series[SORTABLE], windows, firsts[entity] - begin + MARGIN)
        for row in range(firsts[entity], stops[entity], BLOCK):
            width = min(BLOCK, stops[entity] - row)
            _put_candles(bars, row, width, page)
            _put_block(series, sums, windows, page, (row - begin + MARGIN, width, absolute))
            _copy(page, places, row, width, out)
