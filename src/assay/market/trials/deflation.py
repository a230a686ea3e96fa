"""What the number of trials leaves of a Sharpe ratio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.backtest import bars_per_year, portfolio
from assay.market.significance import (
    annualised_sharpe,
    cluster_trials,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    sharpe_variance,
    track_record,
)
from assay.market.trials.packing import unpack_returns, unpack_times
from assay.market.trials.records import NAIVE, Document

COVERED = 0.8  # share of the judged bars that a trial must have returns on to be compared
STRATEGIES = 4  # fewest that say anything about the choice among them
BLOCKS = 16
BLOCK_BARS = 10  # fewest bars of a block, and fewest horizons: blocks must hardly see each other's positions

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Record = Mapping[str, Any]

SOURCES = (
    "PSR and minimum track record: Bailey and Lopez de Prado 2012 (standard error at the ratio that was found, T - 1, "
    "raw kurtosis). DSR: Bailey and Lopez de Prado 2014, with the exact expected maximum, and no more variance between "
    "trials than luck has; as published beside it. All ratios are per bar unless they are called annual; the annual "
    "one is corrected for autocorrelation (Lo 2002)."
)


@dataclass(frozen=True)
class Tried:
    """The trials that one is chosen from.

    Attributes:
        records: Number of records ever.
        configurations: Number of distinct configurations that count.
        claims: Models that were ever declared primary.
        returns: (bars, compared) returns of those that have them on the judged bars, on the bars they share.
    """

    records: int
    configurations: int
    claims: tuple[str, ...]
    returns: Floats

    @property
    def compared(self) -> int:
        """How many configurations have returns on the judged bars."""
        return int(self.returns.shape[1])


def deflate(records: Sequence[Record], ledger: pl.DataFrame, *, horizon: int) -> Document:
    """Hold the Sharpe ratio of every model against the best of all trials there ever were.

    Args:
        records: All records of the head's ledger of trials, this run's included, oldest first.
        ledger: Ledger of all models of this run: its bars are judged.
        horizon: Bars that a position is held.

    Returns:
        ``bars, bars_per_year``; ``trials``: see `Tried` and `_trials`; ``models``: by model with a record
        ``sharpe_per_bar, skew, kurtosis`` (raw), ``psr`` (against 0), ``dsr`` (against ``expected_max_sharpe``),
        ``dsr_2014`` (as published, against ``expected_max_2014``),
        ``min_track_record_years`` (for a PSR of 95 % against 0), ``min_backtest_years`` (against as many trials) and
        ``lo_annual_sharpe``; ``pbo``: ``value, blocks, splits, strategies, said``; ``said``: conventions. None where a
        figure is not defined.
    """
    year, times = bars_per_year(ledger["time"]), ledger["time"].unique().sort().dt.epoch("us").to_numpy()
    tried = gather(records, times)
    trials = _trials(tried, len(times), year)
    named = {record["model"] for record in records}
    parts = ledger.partition_by("model", as_dict=True, maintain_order=True)
    books = {str(key[0]): portfolio(part)["ret"].to_numpy() for key, part in parts.items() if key[0] in named}
    return {
        "bars": len(times),
        "bars_per_year": year,
        "trials": trials,
        "models": {name: _judged(returns, trials, year) for name, returns in books.items()},
        "pbo": _overfitting(tried.returns, horizon),
        "said": SOURCES,
    }


def gather(records: Sequence[Record], judged: Times) -> Tried:
    """Count the configurations and align their returns.

    Naive baselines choose nothing and do not count, unless one was ever declared primary. The same configuration on
    bars of another length is another one. Of each configuration that record is compared which has most of the judged
    bars, the newest of equals.

    Args:
        records: All records of the head, oldest first; those of older versions without times count, uncompared.
        judged: Rising times of the judged bars, microseconds.
    """
    declared = {record["model"] for record in records if record.get("declared")}
    counted = [record for record in records if record["model"] not in NAIVE or record["model"] in declared]
    grids = _grids(counted, judged)
    best: dict[tuple[str, int], tuple[float, Record]] = {}
    for record in counted:
        share, bar = grids[record.get("times")]
        name = (_configuration(record), bar)
        if name not in best or share >= best[name][0]:
            best[name] = (share, record)
    near = [record for share, record in best.values() if share >= COVERED]
    return Tried(len(records), len(best), tuple(sorted(declared)), _aligned(near, judged))


def _grids(records: Sequence[Record], judged: Times) -> dict[str | None, tuple[float, int]]:
    """Share of the judged bars and usual length of a bar by packed times; records of one run have the same."""
    packed = {record.get("times") for record in records} - {None}
    grids = {name: unpack_times(name) for name in packed if name}
    found: dict[str | None, tuple[float, int]] = {None: (0.0, 0)}
    for name, times in grids.items():
        bar = int(np.median(np.diff(times))) if len(times) > 1 else 0
        found[name] = (float(np.isin(judged, times).mean()), bar)
    return found


def _aligned(records: Sequence[Record], judged: Times) -> Floats:
    """(bars, trials) returns on the judged bars that all of them have; those that never vary have no ratio."""
    series = [(unpack_times(record["times"]), unpack_returns(record["net_returns"])) for record in records]
    shared = judged
    for times, _ in series:
        shared = np.intersect1d(shared, times, assume_unique=True)
    columns = [returns[np.searchsorted(times, shared)] for times, returns in series]
    varying = [column for column in columns if len(column) > 2 and np.ptp(column) > 0.0]
    return np.column_stack(varying) if varying else np.empty((len(shared), 0))


def _configuration(record: Record) -> str:
    """Identity of what was tried; older records carry none, and are told apart by what they do carry."""
    older = ("head", "model", "horizon", "feature_set_id", "backtest")
    return str(record.get("configuration") or [record.get(name) for name in older])


def _trials(tried: Tried, bars: int, year: float) -> Document:
    """What the best trial without skill would show.

    ``sharpe_variance`` is that of the compared trials as it was found; each trial that cannot be compared enters with
    ``luck_variance``, that of a ratio without skill. ``effective``: clusters, and each trial that cannot be compared as
    one of its own. ``expected_max_2014`` is the larger of two: over all configurations, and over the effective ones
    with the variance between clusters, so that many variants of one idea cannot shrink the spread.
    ``expected_max_sharpe`` is the same with no more variance than luck has: trials that differ by more do so because
    some earn and some lose, and the best of those without skill shows none of that.
    """
    labels = cluster_trials(tried.returns)
    clusters = len(np.unique(labels))
    unknown = tried.configurations - tried.compared
    effective = clusters + unknown
    luck = _luck(tried.returns, bars)
    variance = _pooled(_sharpes(tried.returns), unknown, luck)
    between = _pooled(_sharpes(_mean_books(tried.returns, labels)), unknown, luck)

    def best(most: float) -> float:
        spreads = ((tried.configurations, variance), (effective, between))
        return max(expected_maximum_sharpe(count, min(spread, most)) for count, spread in spreads)

    hurdle = best(luck)
    return {
        "records": tried.records,
        "configurations": tried.configurations,
        "compared": tried.compared,
        "clusters": clusters,
        "effective": effective,
        "sharpe_variance": variance,
        "luck_variance": luck,
        "expected_max_sharpe": hurdle,
        "expected_max_2014": best(math.inf),
        "claims": list(tried.claims),
        "said": _said(tried, clusters, hurdle * year**0.5),
    }


def _said(tried: Tried, clusters: int, hurdle: float) -> str:
    claims = f" Declared primary so far: {', '.join(tried.claims)}." if tried.claims else ""
    return (
        f"Configurations that ever had an out-of-sample result on this head: {tried.configurations}; on these bars: "
        f"{tried.compared}, in groups of alike returns: {clusters}. The best of all would be expected to show an "
        f"annual Sharpe ratio of {hurdle:.2f} without any skill. Naive baselines choose nothing and do not count."
        f"{claims}"
    )


def _luck(returns: Floats, bars: int) -> float:
    """Variance of a ratio without skill, ``(1 + rho) / (1 - rho) / bars`` for the mean trial, at least 1 / bars."""
    tracks = [track for column in returns.T if (track := track_record(column))]
    spread = [sharpe_variance(track, convention="2025") * track.observations for track in tracks]
    return max([1.0, float(np.mean(spread or [1.0]))]) / bars


def _pooled(sharpes: Floats, unknown: int, luck: float) -> float:
    """Variance of ratios over trials, that of luck for each whose ratio is not known, and for one that is alone."""
    known = len(sharpes) if len(sharpes) > 1 else 0
    assumed = unknown + len(sharpes) - known
    found = float(sharpes.var(ddof=1)) if known else 0.0
    return (known * found + assumed * luck) / max(known + assumed, 1)


def _sharpes(returns: Floats) -> Floats:
    return np.asarray(returns.mean(axis=0) / returns.std(axis=0, ddof=1))


def _mean_books(returns: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """(bars, clusters) mean of each cluster's returns at equal risk."""
    scaled = returns / returns.std(axis=0, ddof=1)
    books = [scaled[:, labels == cluster].mean(axis=1) for cluster in np.unique(labels)]
    return np.column_stack(books) if books else scaled


def _judged(returns: Floats, trials: Document, year: float) -> Document:
    track, annual = track_record(returns), annualised_sharpe(returns, bars_per_year=year)
    names = (
        "sharpe_per_bar",
        "skew",
        "kurtosis",
        "psr",
        "dsr",
        "dsr_2014",
        "min_track_record_years",
        "min_backtest_years",
    )
    if track is None:
        return dict.fromkeys((*names, "lo_annual_sharpe"))
    length = minimum_track_record_length(track)
    figures = (
        track.sharpe,
        track.skew,
        track.kurtosis,
        probabilistic_sharpe_ratio(track),
        probabilistic_sharpe_ratio(track, trials["expected_max_sharpe"]),
        probabilistic_sharpe_ratio(track, trials["expected_max_2014"]),
        length / year if length is not None else None,
        minimum_backtest_length(track.sharpe * year**0.5, trials=trials["configurations"]),
    )
    return {**dict(zip(names, figures, strict=True)), "lo_annual_sharpe": annual}


def _overfitting(returns: Floats, horizon: int) -> Document:
    bars, strategies = returns.shape
    needed = BLOCKS * BLOCK_BARS * max(horizon, 1)
    told: Document = {"value": None, "blocks": BLOCKS, "splits": 0, "strategies": strategies}
    if strategies < STRATEGIES:
        return told | {"said": f"Not computed: {strategies} strategies with varying returns, {STRATEGIES} are needed."}
    if bars < needed:
        return told | {"said": f"Not computed: {bars} common bars, {needed} are needed ({BLOCKS} blocks)."}
    found = probability_of_backtest_overfitting(returns, blocks=BLOCKS)
    said = (
        f"In {found.value:.0%} of {len(found.logits)} splits of the history the best of {strategies} configurations "
        "was below the median in the other half. Pure noise gives about half, in single cases 15 to 90 %; so do "
        "configurations that are equally good."
    )
    return told | {"value": found.value, "splits": len(found.logits), "said": said}
