"""From the out-of-sample predictions of a head to books and figures, for every model and for buying and holding."""

import hashlib
import json
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.backtest import (
    BacktestSetup,
    Floats,
    Policy,
    bars_per_year,
    buy_and_hold,
    performance,
    portfolio,
    run_ledger,
    sides,
    traded_bars,
)
from assay.market.costs import Costs, Funding, check_funding
from assay.market.parameters import Parameters
from assay.market.plan import Plan
from assay.market.significance import BootstrapRule, optimal_block, sharpe_interval
from assay.market.tables import KEY, stack_by_model

BUY_AND_HOLD = "buy and hold"
CURVE_POINTS = 600
DIGITS = 12  # decimals kept of a net return in the trial ledger


class BacktestRule(Parameters):
    """How decisions are traded and judged.

    Attributes:
        costs: Cost of trading.
        funding: Cost of holding.
        policy: When a prediction becomes a position.
        seed: Seed of the resamples behind the interval of the Sharpe ratio.
        confidence: Probability that the interval of the Sharpe ratio covers the truth.
    """

    costs: Costs
    funding: Funding = Funding(kind="none")
    policy: Policy = Policy()
    seed: int = 0
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)

    def setup(self, plan: Plan) -> BacktestSetup:
        """What the ledger needs: horizon and execution are those of the labels."""
        return BacktestSetup(plan.horizon, plan.execution, self.costs, self.funding)


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
        Ledger with the column ``model`` first; sorted by model in the order of ``oos``, entity, time.

    Raises:
        DataError: Funding is required but not covered, or a decision has no bar.
    """
    setup = rule.setup(plan)
    decided = oos.with_columns(sides(oos, plan.kind, rule.policy)).select("model", "entity", "time", "side")
    by_model = {str(key[0]): part.drop("model") for key, part in decided.partition_by("model", as_dict=True).items()}
    books = {name: run_ledger(bars, part, setup=setup, settlements=settlements) for name, part in by_model.items()}
    first = next(iter(by_model.values()))
    books[BUY_AND_HOLD] = buy_and_hold(bars, first, setup=setup, settlements=settlements)
    return stack_by_model(books)


def measure(
    bars: pl.DataFrame, ledger: pl.DataFrame, plan: Plan, *, rule: BacktestRule, settlements: pl.DataFrame | None
) -> dict[str, Any]:
    """Say what every model earned after costs, and what was assumed.

    Args:
        bars: Bars of all entities.
        ledger: Ledger of all models.
        plan: Plan of the head.
        rule: Costs, and how the intervals are drawn.
        settlements: Funding settlements where positions pay funding.

    Returns:
        ``models``: per model ``performance`` (see ``backtest.performance``; ``sharpe`` with its block-bootstrap
        interval; ``timing_sharpe``, what is left of it without drift: the mean of (position - its mean) * (return - its
        mean) less costs, over the same deviation) and ``curve``: ``time, equity, drawdown``, at most 600 points.
        ``costs``: those of the rule. ``funding``: one sentence on what was assumed on the bars of the ledger.

    Raises:
        DataError: Funding is required but not covered.
    """
    excess = _timing_returns(ledger)
    return {
        "models": {name: _measured(book, excess[name], plan, rule) for name, book in _portfolios(ledger).items()},
        "costs": rule.costs.model_dump(mode="json"),
        "funding": check_funding(traded_bars(bars, ledger), settlements, rule.funding),
    }


def outer_trials(ledger: pl.DataFrame, plan: Plan, rule: BacktestRule) -> list[dict[str, Any]]:
    """Record every configuration whose out-of-sample result was computed.

    Returns:
        One record per model (not for buying and holding): ``id`` (hash of what was tried and of what came out, so
        that a replay is no new trial), ``scope`` outer, what was tried, the span, and the net return of every bar.
    """
    tried = {
        "head": plan.head,
        "horizon": plan.horizon,
        "feature_set_id": plan.feature_set_id,
        "backtest": rule.model_dump(mode="json", exclude={"seed", "confidence"}),
    }
    books = {name: book for name, book in _portfolios(ledger).items() if name != BUY_AND_HOLD}
    return [_sealed(tried | {"model": name}, book) for name, book in books.items()]


def _portfolios(ledger: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = ledger.partition_by("model", as_dict=True, maintain_order=True)
    return {str(key[0]): portfolio(part) for key, part in parts.items()}


def _timing_returns(ledger: pl.DataFrame) -> dict[str, Floats]:
    """Net returns of each model without drift: (position - its mean) * (return - its mean) less costs, summed.

    The covariance of positions and later returns, funding included (Grinblatt and Titman 1993); both means are taken
    with hindsight, per entity, to judge and never to trade.
    """
    carried = pl.col("gross") - pl.col("funding")
    market = ledger.filter(pl.col("model") == BUY_AND_HOLD).select("entity", "time", market=carried)
    book = ["model", "entity"]
    held, r = pl.col("position").shift(1, fill_value=0.0).over(book), pl.col("market")
    drift = held.mean().over(book) * r + (held - held.mean().over(book)) * r.mean().over(book)
    returns = (
        ledger.join(market, on=KEY, how="left", maintain_order="left")
        .with_columns(excess=(pl.col("pnl") - drift) / ledger["entity"].n_unique())
        .group_by("model", "time")
        .agg(pl.col("excess").sum())
        .sort("model", "time")
    )
    parts = returns.partition_by("model", as_dict=True)
    return {str(key[0]): part["excess"].to_numpy() for key, part in parts.items()}


def _measured(book: pl.DataFrame, excess: Floats, plan: Plan, rule: BacktestRule) -> dict[str, Any]:
    year, net = bars_per_year(book["time"]), book["ret"].to_numpy()
    resampled = BootstrapRule(seed=rule.seed, confidence=rule.confidence)

    def sharpe(returns: Floats) -> dict[str, float | None]:
        block = optimal_block([returns], horizon=plan.horizon)
        return sharpe_interval(returns, bars_per_year=year, block=block, rule=resampled, risk=net)

    told = {"sharpe": sharpe(net), "timing_sharpe": sharpe(excess)}
    return {"performance": performance(book, bars_per_year=year) | told, "curve": _curve(book)}


def _curve(book: pl.DataFrame) -> dict[str, list[Any]]:
    equity = book["equity"].to_numpy()
    drawdown = equity - np.maximum.accumulate(np.maximum(equity, 1.0))
    shown = np.unique(np.linspace(0, len(equity) - 1, min(CURVE_POINTS, len(equity))).astype(int))
    times = book["time"].gather(shown)
    return {
        "time": [time.isoformat() for time in times],
        "equity": equity[shown].tolist(),
        "drawdown": drawdown[shown].tolist(),
    }


def _sealed(tried: dict[str, Any], book: pl.DataFrame) -> dict[str, Any]:
    record = {
        **tried,
        "span": [book["time"][0].isoformat(), book["time"][-1].isoformat()],
        "net_returns": book["ret"].round(DIGITS).to_list(),
    }
    identity = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:24]
    return {"id": identity, "scope": "outer", **record}
