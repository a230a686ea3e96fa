"""What drives a mock market: shocks, volatility, the state behind the feeds, and the returns that follow from them."""

from dataclasses import dataclass

import numpy as np

from assay.market.simulator.dynamics import Floats, ar1, dynamics
from assay.market.simulator.rule import MarketRule
from assay.market.simulator.signals import regime_memory, signal_of

BEFORE = 2  # bars before the first: a state is published a bar later, and moves the bar after that
PEAK = 15.0  # busiest hour of the day (UTC)
CHEAP, DEAR = 0.5, 50_000.0  # prices at the start lie between
STREAMS = ("shocks", "volatility", "state", "regime", "prices", "bars", "feeds", "universe", "design")


@dataclass(frozen=True)
class Paths:
    """Everything that no participant sees, per symbol and bar; shape (symbols, bars), of ``state`` (3, symbols, bars).

    Attributes:
        shocks: Gaussian behind the price shock of the bar.
        log_volatility: Persistent part of the log volatility of the bar, known when the bar before it closes.
        season: Log volatility by the hour of the day, shape (bars,).
        state: State at the close of the bar.
        published: State at the close of the bar before, which the feeds have told by now.
        regime: 1 where the market is busy, -1 where it is quiet.
        signal: Planted signal that is known at the close of the bar and moves the next one.
        returns: Log return of the bar.
    """

    shocks: Floats
    log_volatility: Floats
    season: Floats
    state: Floats
    published: Floats
    regime: Floats
    signal: Floats
    returns: Floats

    def volatility(self, rule: MarketRule) -> Floats:
        """Volatility of each bar."""
        return np.asarray(rule.volatility * np.exp(self.log_volatility + self.season))


def stream(rule: MarketRule, name: str) -> np.random.Generator:
    """Random numbers for one purpose: no other purpose moves them."""
    return np.random.default_rng([rule.seed, STREAMS.index(name)])


def start_prices(rule: MarketRule) -> Floats:
    """Price of each symbol at the start of the history, shape (symbols,); one listed late has moved when it appears."""
    return np.asarray(CHEAP * (DEAR / CHEAP) ** stream(rule, "prices").random(rule.symbols))


def season_of(rule: MarketRule, bars: int) -> Floats:
    """Log volatility by the hour at the middle of each bar; nothing for bars of a day and longer."""
    step = rule.interval.total_seconds() / 3600
    if step >= 24:
        return np.zeros(bars)
    first = rule.start.hour + rule.start.minute / 60 + step / 2
    return np.asarray(rule.season * np.cos(2 * np.pi * (first + step * np.arange(bars) - PEAK) / 24))


def draw(rule: MarketRule) -> Paths:
    """Draw the paths of a market.

    The return of bar t is ``volatility[t] * (ic * signal[t-1] + sqrt(1 - ic^2) * shock[t])``. Shocks are multivariate
    Student t: all symbols share the chi-square variable of a bar, so that large moves come together. The log volatility
    follows Taylor's log-AR(1) model with leverage.
    """
    shape = (rule.symbols, rule.bars + BEFORE)
    gaussian, shocks = _shocks(rule, shape)
    state = dynamics().path(gaussian, stream(rule, "state"))
    regime = _regime(rule, shape)
    published = np.roll(state, 1, axis=-1)
    signal = signal_of(rule.form).of(published, regime)
    before = np.roll(signal, 1, axis=-1)
    season = np.r_[[0.0] * BEFORE, season_of(rule, rule.bars)]
    level = _log_volatility(rule, gaussian)
    moves = rule.volatility * np.exp(level + season) * (rule.ic * before + np.sqrt(1 - rule.ic**2) * shocks)
    arrays = (gaussian, level, season, state, published, regime, signal, moves)
    return Paths(*(array[..., BEFORE:] for array in arrays))


def _shocks(rule: MarketRule, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """The Gaussian behind each shock, and the shock itself: a Student t scaled to variance 1."""
    rng = stream(rule, "shocks")
    common, own = rng.standard_normal((1, shape[1])), rng.standard_normal(shape)
    gaussian = np.sqrt(rule.correlation) * common + np.sqrt(1 - rule.correlation) * own
    if np.isinf(rule.degrees):
        return gaussian, gaussian
    return gaussian, gaussian * np.sqrt((rule.degrees - 2) / rng.chisquare(rule.degrees, (1, shape[1])))


def _log_volatility(rule: MarketRule, gaussian: Floats) -> Floats:
    rng = stream(rule, "volatility")
    common, own = rng.standard_normal((1, gaussian.shape[1])), rng.standard_normal(gaussian.shape)
    news = np.sqrt(rule.correlation) * common + np.sqrt(1 - rule.correlation) * own
    pushed = rule.leverage * np.roll(gaussian, 1, axis=-1) + np.sqrt(1 - rule.leverage**2) * news
    pushed[:, 0] = news[:, 0]
    scale = rule.volatility_sd * np.sqrt(1 - rule.persistence**2)
    return ar1(scale * pushed, rule.persistence, rule.volatility_sd * rng.standard_normal(len(gaussian)))


def _regime(rule: MarketRule, shape: tuple[int, int]) -> Floats:
    rng = stream(rule, "regime")
    first = rng.random((shape[0], 1)) < 0.5
    flips = rng.random((shape[0], shape[1] - 1)) < (1 - regime_memory()) / 2
    turned = np.cumsum(np.hstack([first, flips]), axis=1, dtype=np.int32) % 2
    return np.asarray(1.0 - 2.0 * turned)
