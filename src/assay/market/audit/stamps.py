"""Stamp test: what describes a bar must not correlate most with the bar that follows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.market.audit.document import Check, Outcome
from assay.market.audit.lags import Floats, Grid, Shifted, far_lags, null_levels
from assay.market.audit.rule import AuditRule

LAGS = 5
FEWEST = 100  # times a shift must be able to choose from
ROUND = np.r_[0 : LAGS + 1, -LAGS:0]  # lags around 0, as positions in a circle


@dataclass(frozen=True)
class Series:
    """What is held against bar returns: its correlations at all circular lags, and the name it goes by."""

    name: str
    correlations: Floats

    def peak(self) -> tuple[int, float]:
        """Lag, from -5 to 5, at which it correlates most with the returns, and how much."""
        lag = int(ROUND[np.argmax(np.abs(self.correlations[ROUND]))])
        return lag, float(self.correlations[lag])


def check_stamps(panel: pl.DataFrame, rule: AuditRule, sources: Mapping[str, Sequence[str]]) -> Check:
    """S: for each column of a feed and each entity's bars, the lag at which it correlates most with bar returns.

    Changes of a feed when it is updated are held against the returns of the bars, an entity's returns against the mean
    of the others. A peak one or more bars ahead means that the stamp is too early: what is read at a bar describes a
    later one. It counts only above the largest peak under circular shifts, all series together, and above
    ``max_plausible_ic``, which a real lead does not reach.

    Args:
        panel: Sorted by entity and time, with ``close``.
        rule: Shifts, their seed, and the plausible size.
        sources: Panel columns that each feature reads.
    """
    found = _series(panel) if "close" in panel.columns else []
    times = panel["time"].n_unique()
    lags = far_lags(times, 2 * LAGS, rule.shifts, np.random.default_rng([rule.seed, 9]))
    if not found or len(lags) < FEWEST:
        return _check("incomplete", f"too little to compare: {len(found)} series, {times} times", {})
    around = [np.max([np.abs(np.roll(s.correlations, -lag))[lags] for lag in ROUND], axis=0) for s in found]
    limits = np.maximum(null_levels(np.array(around)), rule.max_plausible_ic)
    clear = [s for s, limit in zip(found, limits, strict=True) if abs(s.peak()[1]) > limit]
    early = {s.name: s.peak() for s in clear if s.peak()[0] > 0}
    said = {name: f"{name} correlates {value:.2f} with the bar {lag} ahead" for name, (lag, value) in early.items()}
    accused = {
        name: f"reads {said[column]}" for name, columns in sources.items() for column in columns if column in said
    }
    if said:
        return _check("suspect", "; ".join(said.values()), accused)
    return _check("pass", f"no peak lies ahead; {len(clear)} of {len(found)} series have a clear one", {})


def _series(panel: pl.DataFrame) -> list[Series]:
    grid = Grid(panel)
    move = panel.select((pl.col("close") / pl.col("close").shift(1) - 1).over("entity")).to_series()
    returns = grid.ranks(move)
    shifted = Shifted(returns)
    fed = [Series(name, shifted.correlations(grid.ranks(values))) for name, values in _news(panel).items()]
    if len(grid.entities) == 1:
        return fed
    return fed + [
        Series(f"bars of {entity}", Shifted(_others(returns, row)).correlations(returns[row : row + 1]))
        for row, entity in enumerate(grid.entities)
    ]


def _others(returns: Floats, row: int) -> Floats:
    """Mean of the other entities, shape (1, times)."""
    others = np.delete(returns, row, axis=0)
    count = np.isfinite(others).sum(axis=0)
    total = np.nansum(others, axis=0)
    mean: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean[None]


def _news(panel: pl.DataFrame) -> dict[str, pl.Series]:
    """Changes of each feed's columns where the feed was updated, null elsewhere."""
    told = {}
    for age in (name for name in panel.columns if name.endswith("_age")):
        feed = age.removesuffix("age")
        for name in panel.columns:
            if name.startswith(feed) and name != age and panel[name].dtype.is_float():
                change = pl.when(pl.col(age).diff() <= 0).then(pl.col(name).diff())
                told[name] = panel.select(change.over("entity")).to_series()
    return told


def _check(outcome: Outcome, found: str, accused: Mapping[str, str]) -> Check:
    return Check(
        id="S",
        name="Stamps",
        procedure=f"Changes of each feed, and each entity's bars, against bar returns up to {LAGS} bars before and "
        "after; the largest correlation must not lie ahead.",
        outcome=outcome,
        found=found,
        detectable="feeds and bars whose true correlation with the returns exceeds the limit",
        accused=accused,
    )
