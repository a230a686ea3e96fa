"""Intervals against those of arch and of each resample's rows, and the band around equity against known answers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from assay.market.backtest.intervals import Returns, block_length, equity_band, sharpe_intervals
from assay.market.significance import BootstrapRule, optimal_block, resample_weights

RULE = BootstrapRule(seed=3)
YEAR = 252.0


def returns(seed: int, *, bars: int = 800, block: float = 4.0, mean: float = 0.0005) -> Returns:
    rng = np.random.default_rng(seed)
    net = rng.normal(mean, 0.01, bars)
    return Returns(net, net - rng.normal(mean, 0.001, bars), YEAR, block)


def ratio(part: Any, whole: Any) -> float:
    return float(part.mean() / whole.std(ddof=1) * np.sqrt(YEAR))


def test_the_interval_of_the_net_ratio_is_that_of_arch() -> None:
    book = returns(9, block=10.0)
    found = sharpe_intervals({"a": book}, rule=BootstrapRule(seed=1, replications=4000))["a"]["sharpe"]
    arch = StationaryBootstrap(10, book.net, seed=2)
    low, high = arch.conf_int(lambda x: ratio(x, x), 2000, method="percentile").ravel()
    assert found["value"] == pytest.approx(ratio(book.net, book.net))
    assert found["low"] == pytest.approx(low, abs=0.15)
    assert found["high"] == pytest.approx(high, abs=0.15)


def test_the_ratios_of_each_resample_are_those_of_its_rows() -> None:
    """Books beside each other change nothing; timing is scaled by the risk of the whole book, so that parts add up."""
    books = {"a": returns(0), "b": returns(1), "long blocks": returns(2, block=8.0), "short": returns(3, bars=25)}
    found = sharpe_intervals(books, rule=RULE)
    assert list(found) == list(books)
    for name, book in books.items():
        drawn = np.concatenate(list(resample_weights(len(book.net), block=book.block, rule=RULE))).astype(int)
        rows = [np.repeat(np.arange(len(book.net)), weights) for weights in drawn]
        for key, series in (("sharpe", book.net), ("timing_sharpe", book.timing)):
            low, high = np.quantile([ratio(series[row], book.net[row]) for row in rows], [0.025, 0.975])
            expected = {"value": ratio(series, book.net), "low": low, "high": high}
            assert found[name][key] == pytest.approx(expected), (name, key)


def test_the_block_and_the_length_of_a_year_count() -> None:
    base, *changed = (
        sharpe_intervals({"a": replace(returns(0), **change)}, rule=RULE)["a"]["sharpe"]["low"]
        for change in ({}, {"bars_per_year": 365.0}, {"block": 20.0})
    )
    assert base not in changed


def test_the_rule_decides_seed_confidence_and_replications() -> None:
    books = {"a": returns(0)}
    wide, narrow, other, fewer = (
        sharpe_intervals(books, rule=BootstrapRule(**rule))["a"]["sharpe"]
        for rule in ({"confidence": 0.95}, {"confidence": 0.6}, {"seed": 8}, {"replications": 500})
    )
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]  # type: ignore[operator]
    assert wide["low"] not in (other["low"], fewer["low"])


@pytest.mark.parametrize("net", [np.zeros(100), np.full(100, 0.001), np.array([0.1])])
def test_a_book_that_never_moved_has_no_ratio(net: Any) -> None:
    still = Returns(net, net, YEAR, 4.0)
    undefined = dict.fromkeys(("value", "low", "high"))
    found = sharpe_intervals({"still": still, "a": returns(0)}, rule=RULE)
    assert found["still"] == {"sharpe": undefined, "timing_sharpe": undefined}
    assert found["a"]["sharpe"]["value"] is not None


def test_blocks_are_rounded_up_by_half_a_power_of_two_at_most() -> None:
    rng = np.random.default_rng(5)
    lengths = []
    for rho in (0.0, 0.5, 0.9):
        net = rng.normal(0, 1, 1000)
        for n in range(1, 1000):
            net[n] += rho * net[n - 1]
        asked = optimal_block([net, -net], horizon=6)
        found = block_length(net, -net, horizon=6)
        assert asked <= found * (1 + 1e-9) < asked * 2**0.5 * (1 + 1e-6)
        lengths.append(found)
    assert lengths[0] < lengths[2]
    assert block_length(np.zeros(50), np.zeros(50), horizon=1) == 1
    assert block_length(np.zeros(50), np.zeros(50), horizon=16) == 16


def test_the_band_of_independent_returns_is_that_of_a_random_walk() -> None:
    net = np.random.default_rng(6).normal(0.0002, 0.01, 4000)
    shown = np.linspace(0, 3999, 400).astype(int)
    low, high = equity_band(net, shown, block=1.0, rule=BootstrapRule(replications=2000))
    steps = shown + 1
    stretches = np.diff(np.concatenate(([0.0], net.cumsum()[shown])))
    centre, spread = 1 + net.mean() * steps, stretches.std() * np.sqrt(np.arange(1, 401))
    later = steps > 400
    assert stretches.std() == pytest.approx(net.std() * 10**0.5, rel=0.1)
    assert ((high - low) / (2 * 1.96 * spread))[later] == pytest.approx(1, abs=0.09)
    assert np.abs((high + low) / 2 - centre)[later].max() < 0.15 * spread[-1]
    assert low[-1] < 1 + net.sum() < high[-1]


def test_a_trending_book_has_a_wider_band() -> None:
    """Long blocks keep trends together: per stretch of two bars the variance is 1 / (1 - rho) of that of short ones."""
    rho, noise = 0.8, np.random.default_rng(7).normal(0, 0.01, 6000)
    net = noise.copy()
    for n in range(1, len(net)):
        net[n] += rho * net[n - 1]
    shown = np.arange(0, 6000, 2)
    widths = []
    for block in (1.0, 80.0):
        low, high = equity_band(net, shown, block=block, rule=BootstrapRule(replications=400))
        widths.append(high[-1] - low[-1])
    assert widths[1] / widths[0] == pytest.approx((1 - rho) ** -0.5, rel=0.2)


def test_the_band_is_that_of_the_rule() -> None:
    net = returns(8).net
    shown = np.arange(len(net))
    rules = (BootstrapRule(), BootstrapRule(confidence=0.6), BootstrapRule(seed=1))
    bands = [equity_band(net, shown, block=4.0, rule=rule) for rule in rules]
    assert (bands[1][0][50:] > bands[0][0][50:]).all()
    assert not np.array_equal(bands[0][0], bands[2][0])
    again = equity_band(net, shown, block=4.0, rule=BootstrapRule())
    assert np.array_equal(again[1], bands[0][1])
    certain = equity_band(np.array([0.5, 0.5]), np.array([0, 1]), block=1.0, rule=RULE)
    assert [end.tolist() for end in certain] == [[1.5, 2.0]] * 2
