"""Intervals of many books at once against one at a time, and the band around equity against known answers."""

import numpy as np
import pytest

from assay.market.backtest.intervals import Returns, block_length, equity_band, sharpe_intervals
from assay.market.significance import BootstrapRule, optimal_block, sharpe_interval

RULE = BootstrapRule(seed=3)
YEAR = 252.0


def returns(seed: int, *, bars: int = 800, block: float = 4.0, mean: float = 0.0005) -> Returns:
    rng = np.random.default_rng(seed)
    net = rng.normal(mean, 0.01, bars)
    return Returns(net, net - rng.normal(mean, 0.001, bars), YEAR, block)


def test_many_books_have_the_intervals_of_each_alone() -> None:
    books = {"a": returns(0), "b": returns(1), "long blocks": returns(2, block=8.0), "short": returns(3, bars=500)}
    found = sharpe_intervals(books, rule=RULE)
    assert list(found) == list(books)
    for name, book in books.items():
        for ratio, series in (("sharpe", book.net), ("timing_sharpe", book.timing)):
            alone = sharpe_interval(series, bars_per_year=YEAR, block=book.block, rule=RULE, risk=book.net)
            assert found[name][ratio] == pytest.approx(alone), (name, ratio)


def test_the_rule_decides_seed_and_confidence() -> None:
    books = {"a": returns(0)}
    wide, narrow, other = (
        sharpe_intervals(books, rule=BootstrapRule(**rule))["a"]["sharpe"]
        for rule in ({"confidence": 0.95}, {"confidence": 0.6}, {"seed": 8})
    )
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]  # type: ignore[operator]
    assert other["low"] != wide["low"]


def test_a_book_that_never_moved_has_no_ratio() -> None:
    flat = Returns(np.zeros(100), np.zeros(100), YEAR, 4.0)
    undefined = dict.fromkeys(("value", "low", "high"))
    found = sharpe_intervals({"flat": flat, "a": returns(0)}, rule=RULE)
    assert found["flat"] == {"sharpe": undefined, "timing_sharpe": undefined}
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
