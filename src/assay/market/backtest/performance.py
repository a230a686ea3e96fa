"""What a book earned, in figures."""

import math

import numpy as np
import polars as pl

from assay.market.backtest.tape import Floats
from assay.market.errors import DataError
from assay.market.significance.sharpe import annualised_sharpe
from assay.market.tables import CHARGES

YEAR_SECONDS = 365.25 * 86_400


def portfolio(ledger: pl.DataFrame) -> pl.DataFrame:
    """Average the ledgers of all entities, each with the same share 1/N of the capital.

    N is the number of entities in the ledger at all times. The share of an entity that is not traded yet, or no longer,
    lies idle: weights by the count present would resize open positions, trades that no ledger has paid for.

    Args:
        ledger: Ledger of one model.

    Returns:
        One row per time: ``time, ret, gross, fees, slippage, impact, borrow, funding, turnover`` (shares of the
        capital), ``exposure`` (gross position, long plus short), ``equity`` (1 + cumulative ret, nothing reinvested).
    """
    share = 1 / max(1, ledger["entity"].n_unique())
    sums = {"ret": "pnl"} | {name: name for name in ("gross", *CHARGES, "turnover")}
    return (
        ledger.group_by("time", maintain_order=True)  # the order of a sum decides its last bits
        .agg(
            *(pl.col(source).sum().mul(share).alias(name) for name, source in sums.items()),
            exposure=pl.col("position").abs().sum() * share,
        )
        .sort("time")
        .with_columns(equity=1 + pl.col("ret").cum_sum())
    )


def performance(portfolio: pl.DataFrame, *, bars_per_year: float) -> dict[str, float | int | None]:
    """Summarise a portfolio on its fixed notional: returns add up, nothing is reinvested.

    Args:
        portfolio: Table of ``portfolio``, one row per bar.
        bars_per_year: Bars per year, see ``bars_per_year``.

    Returns:
        ``bars``; ``total_return`` (sum); ``annual_return`` (mean times bars per year); ``annual_volatility`` (sample
        standard deviation); ``sharpe`` (risk-free rate 0); ``sortino`` (annual return over the root mean square of the
        negative returns, annualised; Sortino and Price 1994); ``max_drawdown`` (<= 0, share of the notional, the start
        counts as a peak) and ``max_drawdown_bars`` from its peak to recovery or the end; ``calmar`` (annual return over
        the size of the deepest drawdown; Young 1991); ``lo_sharpe`` (the Sharpe ratio that allows for autocorrelation;
        Lo 2002); ``win_rate`` (share of winning bars among bars with a result); ``profit_factor`` (gains over losses);
        ``turnover_per_year``; ``exposure`` (mean gross position); totals ``gross`` and of every kind of cost: ``fees,
        slippage, impact, borrow, funding``. None where undefined, never NaN.

    Raises:
        DataError: The portfolio has no rows.
    """
    if portfolio.is_empty():
        raise DataError("portfolio", "no rows", expected="at least one bar", found=0, do="give the ledger decisions")
    ret = portfolio["ret"].to_numpy()
    return {
        "bars": len(ret),
        **_risk_and_return(ret, bars_per_year),
        **_drawdown(ret, bars_per_year),
        **_wins(ret),
        "turnover_per_year": float(portfolio["turnover"].to_numpy().mean()) * bars_per_year,
        "exposure": float(portfolio["exposure"].to_numpy().mean()),
        **{name: float(portfolio[name].sum()) for name in ("gross", *CHARGES)},
    }


def bars_per_year(times: pl.Series) -> float:
    """Count unique timestamps per year of 365.25 days, from the first to the last.

    Raises:
        DataError: Fewer than two unique timestamps.
    """
    unique = times.unique().sort()
    if len(unique) < 2:
        raise DataError(
            "bars per year", "too few timestamps", expected="at least 2", found=len(unique), do="load more bars"
        )
    seconds: float = (unique[-1] - unique[0]).total_seconds()
    return (len(unique) - 1) * YEAR_SECONDS / seconds


def sharpe_ratio(ret: Floats, *, bars_per_year: float) -> float | None:
    """Annualised mean over sample standard deviation, risk-free rate 0.

    Args:
        ret: Net returns per bar, (bars,).
        bars_per_year: Bars per year.

    Returns:
        None for fewer than two bars and for returns that never vary.
    """
    # A constant series has no risk to divide by; its computed deviation is rounding, not always exactly zero.
    if len(ret) < 2 or np.ptp(ret) == 0:
        return None
    return float(ret.mean() / ret.std(ddof=1) * math.sqrt(bars_per_year))


def _risk_and_return(ret: Floats, bars_per_year: float) -> dict[str, float | None]:
    annual = float(ret.mean()) * bars_per_year
    volatility = float(ret.std(ddof=1)) * bars_per_year**0.5 if len(ret) > 1 else None
    downside = float(np.sqrt(np.mean(np.minimum(ret, 0.0) ** 2))) * bars_per_year**0.5
    return {
        "total_return": float(ret.sum()),
        "annual_return": annual,
        "annual_volatility": volatility,
        "sharpe": sharpe_ratio(ret, bars_per_year=bars_per_year),
        "lo_sharpe": annualised_sharpe(ret, bars_per_year=bars_per_year),
        "sortino": annual / downside if downside else None,
    }


def _drawdown(ret: Floats, bars_per_year: float) -> dict[str, float | int | None]:
    equity = np.concatenate(([0.0], ret.cumsum()))
    depth = equity - np.maximum.accumulate(equity)
    trough = int(depth.argmin())
    peak = int(np.flatnonzero(depth[: trough + 1] == 0)[-1])
    recovered = np.flatnonzero(depth[trough:] == 0)
    end = trough + int(recovered[0]) if len(recovered) else len(ret)
    deepest = float(depth[trough])
    calmar = float(ret.mean()) * bars_per_year / -deepest if deepest < 0 else None
    return {"max_drawdown": deepest, "max_drawdown_bars": end - peak, "calmar": calmar}


def _wins(ret: Floats) -> dict[str, float | None]:
    gains, losses = ret[ret > 0], ret[ret < 0]
    active = len(gains) + len(losses)
    return {
        "win_rate": len(gains) / active if active else None,
        "profit_factor": float(gains.sum() / -losses.sum()) if len(losses) else None,
    }
