"""From the out-of-sample predictions of a head to books and figures, for every model and for buying and holding."""

from functools import partial
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from assay.market.backtest import (
    BacktestSetup,
    Floats,
    Holding,
    Limits,
    Policy,
    bars_per_year,
    buy_and_hold,
    performance,
    portfolio,
    run_ledger,
    traded_bars,
)
from assay.market.backtest.benchmarks import Entries, always_flat, random_entries
from assay.market.backtest.breakdown import by_entity, episodes, monthly
from assay.market.backtest.intervals import Returns, block_length, equity_band, sharpe_intervals
from assay.market.backtest.optimise import CHOICE, policy_book, policy_told
from assay.market.backtest.policy import require_entities
from assay.market.backtest.sizing import Setting
from assay.market.backtest.stress import break_even, capacity, stress
from assay.market.backtest.timing import timing_returns
from assay.market.costs import Costs, Funding, check_funding, describe_costs
from assay.market.parameters import Parameters
from assay.market.plan import Plan
from assay.market.significance import BootstrapRule
from assay.market.tables import stack_by_model

BUY_AND_HOLD = "buy and hold"
ALWAYS_FLAT = "always flat"
CURVE_POINTS = 600
DRAWN = 8  # decimals of a curve


class BacktestRule(Parameters):
    """How decisions are traded and judged.

    Attributes:
        costs: Cost of trading.
        funding: Cost of holding.
        policy: When a prediction becomes a position, and how large it is.
        holding: ``horizon`` holds every position for the horizon of the labels, ``label_end`` until its label ends
            where that is earlier; it then leaves at the price of that bar, and not at a barrier inside it.
        limits: How much may be held.
        capital: Capital of the whole book in the quote currency, for impact, lots and capacity; None = not stated.
        seed: Seed of the resamples behind intervals, and of the random entries.
        confidence: Probability that an interval covers the truth.
    """

    costs: Costs
    funding: Funding = Funding(kind="none")
    policy: Policy = Policy()
    holding: Holding = "horizon"
    limits: Limits = Limits()
    capital: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    seed: int = 0
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)

    @model_validator(mode="after")
    def _what_needs_capital_has_it(self) -> Self:
        """Without this, a lot would be refused by the books, after the last fit, and an impact would not be charged."""
        if self.costs.impact is not None and self.capital is None:
            raise ValueError(
                "costs.impact: no capital is stated, so nobody knows how much of the volume a trade is; state the "
                "capital in the quote currency, or leave the impact out"
            )
        if self.limits.lot is not None and self.capital is None:
            raise ValueError(
                "limits.lot: no capital is stated, so nobody knows how many units a position has; state the capital "
                "in the quote currency, or leave the lot out"
            )
        return self

    def setup(self, plan: Plan) -> BacktestSetup:
        """What the ledger needs: horizon and execution are those of the labels."""
        return BacktestSetup(
            horizon=plan.horizon,
            execution=plan.execution,
            costs=self.costs,
            funding=self.funding,
            holding=self.holding,
            limits=self.limits,
            capital=self.capital,
        )

    def resampled(self) -> BootstrapRule:
        """How intervals are resampled."""
        return BootstrapRule(seed=self.seed, confidence=self.confidence)


def simulate(
    bars: pl.DataFrame, oos: pl.DataFrame, plan: Plan, *, rule: BacktestRule, settlements: pl.DataFrame | None
) -> pl.DataFrame:
    """Keep the books of every model of a head and of buying and holding.

    Args:
        bars: Bars of all entities.
        oos: Out-of-sample predictions of all models.
        plan: Plan of the head.
        rule: Costs and policy.
        settlements: Funding settlements where positions pay funding.

    Returns:
        Ledger with the column ``model`` first; sorted by model in the order of ``oos``, entity, time. Where the policy
        is optimised it has the column ``choice``, see ``optimise.policy_book``.

    Raises:
        ConfigurationError: The policy can never take a position.
        DataError: Funding is required but not covered, or a decision has no bar.
    """
    require_entities(rule.policy, oos["entity"].n_unique())
    keep = partial(run_ledger, bars, setup=rule.setup(plan), settlements=settlements)
    setting = Setting(plan.kind, plan.horizon, bars["time"].filter(bars["time"] < oos["time"].min()))
    parts = oos.partition_by("model", as_dict=True, include_key=False)
    books = {str(key[0]): policy_book(part, rule.policy, setting, keep=keep) for key, part in parts.items()}
    first = next(iter(parts.values()))
    held = buy_and_hold(bars, first, setup=rule.setup(plan), settlements=settlements)
    unchosen = [pl.lit(0, dtype=pl.Int16).alias(CHOICE)] if rule.policy.optimise else []
    books[BUY_AND_HOLD] = held.with_columns(unchosen)
    return stack_by_model(books)


def measure(
    bars: pl.DataFrame, ledger: pl.DataFrame, plan: Plan, *, rule: BacktestRule, settlements: pl.DataFrame | None
) -> dict[str, Any]:
    """Say what every model earned after costs, what it is held against, and what was assumed.

    Args:
        bars: Bars of all entities.
        ledger: Ledger of all models.
        plan: Plan of the head.
        rule: Costs and policy, and how the intervals are drawn.
        settlements: Funding settlements where positions pay funding.

    Returns:
        ``models``: per model, and for ``buy and hold`` and ``always flat``:

        - ``performance``: see ``backtest.performance``; ``sharpe`` with its block-bootstrap interval;
          ``timing_sharpe``, what is left of it without drift: the mean of ``timing.timing_returns`` over the same
          deviation.
        - ``curve``: ``time, equity, drawdown, low, high`` (pointwise band of the equity), at most 600 points.
        - ``monthly``, ``by_entity``, ``episodes``: see ``backtest.breakdown``.
        - ``stress``, ``break_even_bp``, ``capacity``: see ``backtest.stress``.
        - ``random``: see ``benchmarks.random_entries``; ``policy``: see ``optimise.policy_told``; None for the two
          books that no model decides.

        ``costs``: those of the rule. ``said``: what trading costs, in words. ``funding``: one sentence on what was
        assumed on the bars of the ledger.

    Raises:
        DataError: Funding is required but not covered.
    """
    books = {str(key[0]): part for key, part in ledger.partition_by("model", as_dict=True, maintain_order=True).items()}
    market, timing = books[BUY_AND_HOLD], timing_returns(ledger, books[BUY_AND_HOLD])
    books[ALWAYS_FLAT] = always_flat(market)
    portfolios = {name: portfolio(book) for name, book in books.items()}
    returns = {name: _returns(book, timing.get(name), plan.horizon) for name, book in portfolios.items()}
    sharpes = sharpe_intervals(returns, rule=rule.resampled())
    told = {}
    for name, whole in portfolios.items():
        figures = performance(whole, bars_per_year=returns[name].bars_per_year) | sharpes[name]
        told[name] = {"performance": figures, "curve": _curve(whole, returns[name], rule)}
        told[name] |= _taken_apart(books[name], whole, plan, rule) | {"random": None, "policy": None}
        if name not in (BUY_AND_HOLD, ALWAYS_FLAT):
            told[name] |= _decided(books[name], market, plan, rule)
    return {
        "models": told,
        "costs": rule.costs.model_dump(mode="json"),
        "said": describe_costs(rule.costs, capital=rule.capital),
        "funding": check_funding(traded_bars(bars, ledger), settlements, rule.funding),
    }


def _returns(book: pl.DataFrame, timing: Floats | None, horizon: int) -> Returns:
    net = book["ret"].to_numpy()
    timing = np.zeros(len(net)) if timing is None else timing
    return Returns(net, timing, bars_per_year(book["time"]), block_length(net, timing, horizon=horizon))


def _taken_apart(ledger: pl.DataFrame, book: pl.DataFrame, plan: Plan, rule: BacktestRule) -> dict[str, Any]:
    """Where a book earned, and what is left of it at other costs."""
    year = bars_per_year(book["time"])
    return {
        "monthly": monthly(book),
        "by_entity": by_entity(ledger, bars_per_year=year),
        "episodes": episodes(book, horizon=plan.horizon),
        "stress": stress(book, bars_per_year=year),
        "break_even_bp": break_even(book),
        "capacity": capacity(book, rule.capital),
    }


def _decided(ledger: pl.DataFrame, market: pl.DataFrame, plan: Plan, rule: BacktestRule) -> dict[str, Any]:
    """How a model's positions were decided, and how others with the same trades fared."""
    drawn = Entries(plan.horizon, rule.seed, bars_per_year(ledger["time"]))
    told = policy_told(ledger, rule.policy, plan.receipts)
    return {"random": random_entries(ledger, market, drawn=drawn), "policy": told}


def _curve(book: pl.DataFrame, returns: Returns, rule: BacktestRule) -> dict[str, list[Any]]:
    equity = book["equity"].to_numpy()
    drawdown = equity - np.maximum.accumulate(np.maximum(equity, 1.0))
    shown = np.unique(np.linspace(0, len(equity) - 1, min(CURVE_POINTS, len(equity))).astype(int))
    low, high = equity_band(returns.net, shown, block=returns.block, rule=rule.resampled())
    return {
        "time": [time.isoformat() for time in book["time"].gather(shown)],
        "equity": equity[shown].round(DRAWN).tolist(),
        "drawdown": drawdown[shown].round(DRAWN).tolist(),
        "low": low.round(DRAWN).tolist(),
        "high": high.round(DRAWN).tolist(),
    }
