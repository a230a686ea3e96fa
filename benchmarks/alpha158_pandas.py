"""Alpha158 as one would write it in pandas: entity by entity, one rolling call per factor."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

LENGTHS = (5, 10, 20, 30, 60)
EPS = 1e-12


def factors(bars: pd.DataFrame) -> pd.DataFrame:
    """The 158 factors of bars sorted by entity and time, as float32."""
    return pd.concat([_one_entity(part) for _, part in bars.groupby("entity", sort=False)])


def _one_entity(bars: pd.DataFrame) -> pd.DataFrame:
    columns = dict(_simple(bars))
    for family in (_close, _trend, _range, _correlations, _changes, _volumes):
        columns |= dict(family(bars))
    return pd.DataFrame(columns).astype("float32")


def _simple(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    top, bottom, span = np.maximum(b.open, b.close), np.minimum(b.open, b.close), b.high - b.low + EPS
    shapes = {
        "KMID": b.close - b.open,
        "KUP": b.high - top,
        "KLOW": bottom - b.low,
        "KSFT": 2 * b.close - b.high - b.low,
    }
    yield "KLEN", (b.high - b.low) / b.open
    for name, shape in shapes.items():
        yield name, shape / b.open
        yield f"{name}2", shape / span
    for name in ("open", "high", "low", "vwap"):
        yield f"{name.upper()}0", b[name] / b.close


def _close(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for d in LENGTHS:
        window = b.close.rolling(d, min_periods=1)
        yield f"ROC{d}", b.close.shift(d) / b.close
        yield f"MA{d}", window.mean() / b.close
        yield f"STD{d}", window.std() / b.close
        yield f"QTLU{d}", window.quantile(0.8) / b.close
        yield f"QTLD{d}", window.quantile(0.2) / b.close
        yield f"RANK{d}", window.rank(pct=True)


def _trend(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    day = pd.Series(np.arange(len(b), dtype=float), index=b.index)
    for d in LENGTHS:
        window, days = b.close.rolling(d, min_periods=1), day.rolling(d, min_periods=1)
        slope = window.cov(day) / days.var()
        yield f"BETA{d}", slope / b.close
        fit = window.corr(day) ** 2
        yield f"RSQR{d}", fit.mask(window.std() <= 2e-5 * window.mean().abs())
        yield f"RESI{d}", (b.close - window.mean() - slope * (day - days.mean())) / b.close


def _range(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for d in LENGTHS:
        highs, lows = b.high.rolling(d, min_periods=1), b.low.rolling(d, min_periods=1)
        high, low = highs.max(), lows.min()
        high_at = highs.apply(lambda x: x.argmax() + 1, raw=True)
        low_at = lows.apply(lambda x: x.argmin() + 1, raw=True)
        yield f"MAX{d}", high / b.close
        yield f"MIN{d}", low / b.close
        yield f"RSV{d}", (b.close - low) / (high - low + EPS)
        yield f"IMAX{d}", high_at / d
        yield f"IMIN{d}", low_at / d
        yield f"IMXD{d}", (high_at - low_at) / d


def _correlations(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    pairs = {
        "CORR": (b.close, np.log(b.volume + 1)),
        "CORD": (b.close / b.close.shift(1), np.log(b.volume / b.volume.shift(1) + 1)),
    }
    for name, (x, y) in pairs.items():
        for d in LENGTHS:
            left, right = x.rolling(d, min_periods=1), y.rolling(d, min_periods=1)
            flat = (left.std() <= 2e-5 * left.mean().abs()) | (right.std() <= 2e-5 * right.mean().abs())
            yield f"{name}{d}", left.corr(y).mask(flat)


def _changes(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    up, down = (b.close.diff() > 0).astype(float), (b.close.diff() < 0).astype(float)
    for d in LENGTHS:
        rising, falling = up.rolling(d, min_periods=1).mean(), down.rolling(d, min_periods=1).mean()
        yield from ((f"CNTP{d}", rising), (f"CNTN{d}", falling), (f"CNTD{d}", rising - falling))
        for prefix, change in (("", b.close.diff()), ("V", b.volume.diff())):
            total = change.abs().rolling(d, min_periods=1).sum() + EPS
            gain = change.clip(lower=0).rolling(d, min_periods=1).sum() / total
            loss = (-change).clip(lower=0).rolling(d, min_periods=1).sum() / total
            yield from ((f"{prefix}SUMP{d}", gain), (f"{prefix}SUMN{d}", loss), (f"{prefix}SUMD{d}", gain - loss))


def _volumes(b: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    moved = (b.close / b.close.shift(1) - 1).abs() * b.volume
    for d in LENGTHS:
        window, moves = b.volume.rolling(d, min_periods=1), moved.rolling(d, min_periods=1)
        yield f"VMA{d}", window.mean() / (b.volume + EPS)
        yield f"VSTD{d}", window.std() / (b.volume + EPS)
        yield f"WVMA{d}", moves.std() / (moves.mean() + EPS)
