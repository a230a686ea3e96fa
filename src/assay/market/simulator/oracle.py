"""The best that any model could do on a mock market: what the formulas say, or what a Monte Carlo run shows.

Everything is about the return of the label in units of the volatility that is known for its span. The oracle knows the
processes, what the feeds have published, all prices so far, and the volatility of the next bar.

For one bar without delay all figures are quadratures. The return is ``ic * q + sqrt(1 - ic^2) * shock`` with the signal
q and a shock of distribution F, so R2 is ``ic^2``, the direction is right with probability
``E[F(ic |q| / sqrt(1 - ic^2))]`` (Gaussian: ``1/2 + asin(ic)/pi``), and the accuracy of three classes is
``E[max_c P(c | q)]``. For longer horizons and delays the expected return is a formula, its quality is simulated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field

from assay.market.execution import Execution
from assay.market.parameters import Parameters
from assay.market.simulator.dynamics import Floats, dynamics
from assay.market.simulator.market import Market
from assay.market.simulator.paths import Paths, draw, season_of
from assay.market.simulator.rule import MarketRule
from assay.market.simulator.signals import condensed, normal_law, regime_memory, signal_of

BATCHES = 50  # independent paths of a Monte Carlo run: their means give the standard errors
QUANTILES = 20_000  # of a simulated distribution
LEVELS = 201  # nodes of the quadrature over the volatility


class Classes(Parameters):
    """When a return is SHORT, NEUTRAL or LONG.

    Attributes:
        threshold: A larger return is LONG, one below its negative SHORT. None: all three are equally frequent.
        unit: ``volatility``: that which is known for the span of the label, so calm and wild times have the same
            classes. ``return``: the standard deviation of all such returns, so the wild times have most of the moves.
    """

    threshold: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    unit: Literal["volatility", "return"] = "volatility"


@dataclass(frozen=True)
class Ceiling:
    """What can be attained.

    Attributes:
        r2: Share of the variance of the return in units of its known volatility.
        ic: Correlation of the expected and the realised return, in these units.
        raw_ic: The same between the expected return in units of the volatility and the raw return: what remains of the
            IC for a model that says nothing about volatility.
        direction: Share of returns whose sign is called.
        commonest_sign: Share of the more frequent sign, which always calling it attains: more than half where leverage
            skews the return of several bars.
        accuracy: Share of returns whose class is called.
        majority: Share of the most frequent class.
        threshold: Of the classes, in their unit.
        errors: Standard error of each of these, 0 where it is computed without simulation.
        rows: Simulated labels; 0 for a quadrature.
    """

    r2: float
    ic: float
    raw_ic: float
    direction: float
    commonest_sign: float
    accuracy: float
    majority: float
    threshold: float
    errors: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0

    def error(self, name: str) -> float:
        """Standard error of a figure."""
        return self.errors.get(name, 0.0)

    def gain_share(self, direction: float) -> float:
        """Share of the attainable gain in direction over one constant call that a model has; NaN on a null market."""
        gain = self.direction - self.commonest_sign
        return (direction - self.commonest_sign) / gain if gain > 0 else float("nan")

    def r2_share(self, ic: float) -> float:
        """Share of the attainable R2 that a model's predictions hold when scaled rightly: ``(ic / attainable)^2``."""
        return float(np.sign(ic) * (ic / self.ic) ** 2) if self.ic > 0 else float("nan")


def oracle(
    market: MarketRule | Market,
    *,
    horizon: int = 1,
    execution: Execution | None = None,
    classes: Classes | None = None,
    rows: int = 400_000,
) -> Ceiling:
    """What the best possible model attains on a label.

    Args:
        market: The market, or what it is made of. Its size, listings and faults play no part: late and wrong facts
            leave less than the ceiling.
        horizon: Bars between entry and exit.
        execution: When the position is entered. None: at the close of the decision, which no one can.
        classes: When a return counts as a move.
        rows: Labels that a Monte Carlo run simulates, about.
    """
    rule = market.rule if isinstance(market, Market) else market
    cut = classes or Classes()
    wait = 0 if execution is None else execution.delay - (execution.price == "open")  # an open is the close before it
    if horizon == 1 and wait == 0:
        return _quadrature(rule, cut)
    return _monte_carlo(rule, cut, (wait, horizon), rows)


# --- one bar, no delay ------------------------------------------------------------------------------------------------


def _quadrature(rule: MarketRule, classes: Classes) -> Ceiling:
    values, weights = signal_of(rule.form).law()
    mean, noise = rule.ic * values, np.sqrt(1 - rule.ic**2)
    scales, odds = _volatilities(rule, classes)
    unit = np.sqrt(odds @ scales**2)

    def shares(threshold: float) -> Floats:
        """P(class | signal, volatility), shape (3, signals, volatilities)."""
        level = threshold * unit / scales[None, :]
        short = _shock_cdf(rule, (-level - mean[:, None]) / noise)
        long = 1 - _shock_cdf(rule, (level - mean[:, None]) / noise)
        return np.stack([short, 1 - short - long, long])

    threshold = classes.threshold
    if threshold is None:
        threshold = _thirds(lambda c: float(weights @ shares(c)[1] @ odds))
    found = shares(threshold)
    right = _shock_cdf(rule, np.abs(mean) / noise)
    logs, masses = _volatilities(rule, Classes(unit="return"))
    return Ceiling(
        r2=rule.ic**2,
        ic=rule.ic,
        raw_ic=float(rule.ic * (masses @ logs) / np.sqrt(masses @ logs**2)),
        direction=float(weights @ right) if rule.ic else 0.5,
        commonest_sign=0.5,
        accuracy=float(weights @ found.max(axis=0) @ odds),
        majority=float(np.max([weights @ share @ odds for share in found])),
        threshold=threshold,
    )


def _volatilities(rule: MarketRule, classes: Classes) -> tuple[Floats, Floats]:
    """Relative volatilities that make a difference to the classes, and their probabilities."""
    if classes.unit == "volatility":
        return np.ones(1), np.ones(1)
    nodes, weights = normal_law(LEVELS)
    day = max(1, round(86_400 / rule.interval.total_seconds()))
    logs = rule.volatility_sd * nodes[:, None] + season_of(rule, day)[None, :]
    values, odds = condensed(logs.ravel(), np.repeat(weights / day, day), LEVELS)
    return np.exp(values), odds


def _shock_cdf(rule: MarketRule, x: Floats) -> Floats:
    """Distribution of a shock of variance 1."""
    from scipy.special import ndtr, stdtr

    if np.isinf(rule.degrees):
        return np.asarray(ndtr(x))
    return np.asarray(stdtr(rule.degrees, x * np.sqrt(rule.degrees / (rule.degrees - 2))))


def _thirds(neutral: Callable[[float], float]) -> float:
    from scipy.optimize import brentq

    return float(brentq(lambda c: neutral(c) - 1 / 3, 0.0, 20.0, xtol=1e-10))


# --- longer, later ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """Labels of a simulated market, each of shape (BATCHES, labels): realised and expected return, known volatility."""

    realised: Floats
    expected: Floats
    volatility: Floats


def _monte_carlo(rule: MarketRule, classes: Classes, span: tuple[int, int], rows: int) -> Ceiling:
    sample = _sample(rule, span, rows)
    actual, mean = sample.realised / sample.volatility, sample.expected / sample.volatility
    unit = sample.volatility if classes.unit == "return" else np.ones_like(mean)
    size = np.sqrt((sample.realised**2).mean()) if classes.unit == "return" else 1.0
    threshold = classes.threshold
    if threshold is None:
        threshold = float(np.quantile(np.abs(actual * unit), 1 / 3) / size)
    level = threshold * size / unit
    call = _called(mean, level, actual - mean)
    true = np.where(np.abs(actual) > level, np.sign(actual), 0)
    commonest = max((-1, 0, 1), key=lambda name: (true == name).mean())
    rose = actual > 0
    up = mean + np.median(actual - mean) > 0  # the median: a skewed return may rise more often than it falls
    figures = {
        "ic": _correlations(mean, actual),
        "raw_ic": _correlations(mean, sample.realised),
        "direction": (up == rose).mean(axis=1),
        "commonest_sign": (rose == (rose.mean() > 0.5)).mean(axis=1),
        "accuracy": (call == true).mean(axis=1),
        "majority": (true == commonest).mean(axis=1),
    }
    errors = {name: float(batch.std(ddof=1) / np.sqrt(len(batch))) for name, batch in figures.items()}
    means = {name: float(batch.mean()) for name, batch in figures.items()}
    errors["r2"] = 2 * means["ic"] * errors["ic"]
    return Ceiling(r2=means["ic"] ** 2, **means, threshold=threshold, errors=errors, rows=mean.size)


def _sample(rule: MarketRule, span: tuple[int, int], rows: int) -> _Sample:
    """Independent paths; a decision at bar k is about the bars k + wait + 1 to k + wait + horizon."""
    wait, horizon = span
    bars = max(rows // BATCHES, 10 * (wait + horizon)) + wait + horizon
    own = {"symbols": BATCHES, "bars": bars, "correlation": 0.0, "listings": 0, "delistings": 0}
    wide = rule.model_copy(update=own)
    paths = draw(wide)
    decisions = slice(1, bars - wait - horizon)
    expected, variance = np.zeros((2, BATCHES, bars - wait - horizon - 1))
    realised = np.zeros_like(expected)
    for step in range(wait + 1, wait + horizon + 1):
        later = slice(1 + step, bars - wait - horizon + step)
        realised += paths.returns[:, later]
        mean, square = _volatility_ahead(wide, paths, decisions, step)
        expected += rule.ic * mean * _signal_ahead(wide, paths, decisions, step - 1)
        variance += square
    return _Sample(realised, expected, np.sqrt(variance))


def _signal_ahead(rule: MarketRule, paths: Paths, decisions: slice, steps: int) -> Floats:
    """Expected signal that will be known ``steps`` bars after each decision.

    That signal is made of the state one bar earlier. Of the newest state, not published yet, the oracle knows the
    forecast from the state before it and from the price shock of its bar.
    """
    signal, own = signal_of(rule.form), dynamics()
    regime = paths.regime[:, decisions] * regime_memory() ** steps
    if steps == 0:
        return signal.of(paths.published[..., decisions], regime)
    pushed = own.feedback[:, None, None] * paths.shocks[:, decisions]
    newest = np.tensordot(own.transition, paths.published[..., decisions], axes=1) + pushed
    return signal.expected(np.tensordot(own.power(steps - 1), newest, axes=1), own.forecast_error(steps - 1), regime)


def _volatility_ahead(rule: MarketRule, paths: Paths, decisions: slice, step: int) -> tuple[Floats, Floats]:
    """Mean, and mean square, of the volatility ``step`` bars after each decision; that of the next bar is known."""
    known = paths.log_volatility[:, decisions.start + 1 : decisions.stop + 1]
    decay = rule.persistence ** (step - 1)
    variance = rule.volatility_sd**2 * (1 - decay**2)
    season = paths.season[decisions.start + step : decisions.stop + step]
    log = np.log(rule.volatility) + season + decay * known
    return np.exp(log + variance / 2), np.exp(2 * log + 2 * variance)


def _called(mean: Floats, level: Floats, residual: Floats) -> Floats:
    """The most probable class when what is left of the return has the same distribution at all times."""
    grid = np.quantile(residual, np.linspace(0, 1, QUANTILES))

    def below(x: Floats) -> Floats:
        return np.searchsorted(grid, x) / len(grid)

    short, long = below(-level - mean), 1 - below(level - mean)
    flat = 1 - short - long
    return np.where(long > np.maximum(short, flat), 1, np.where(short > flat, -1, 0))


def _correlations(x: Floats, y: Floats) -> Floats:
    """Correlation in each batch, 0 where nothing is expected; about zero, since both have mean 0."""
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray(np.divide((x * y).sum(axis=1), norm, out=np.zeros(len(norm)), where=norm > 0))
