"""Small markets, decisions and settlements for the ledger, and a slow bookkeeper to hold it against."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import BacktestSetup
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=365.25)
TIME = pl.Datetime("us", "UTC")
FREE = Costs(fee_bp=0, half_spread_bp=0)
DEAR = Costs(fee_bp=5, half_spread_bp=2)
NONE = Funding(kind="none")


def market(
    seed: int = 0, lengths: tuple[int, ...] = (60, 35), *, faults: float = 0.0, step: timedelta = HOUR
) -> pl.DataFrame:
    """Random walks of bars; ``faults`` is the share of missing bars and null opens."""
    rng = np.random.default_rng(seed)
    tables = []
    for number, length in enumerate(lengths):
        close = 10.0 ** (number * 3) * np.exp(0.02 * rng.standard_normal(length).cumsum())
        opened = close * np.exp(0.005 * rng.standard_normal(length))
        wick = np.exp(0.01 * np.abs(rng.standard_normal((2, length))))
        bars = np.cumsum(np.where(rng.random(length) < faults, 4, 1)).tolist()
        tables.append(
            pl.DataFrame(
                {
                    "entity": f"E{number}",
                    "time": pl.Series([START + step * bar for bar in bars], dtype=TIME),
                    "open": [None if rng.random() < faults else value for value in opened.tolist()],
                    "high": np.maximum(opened, close) * wick[0],
                    "low": np.minimum(opened, close) / wick[1],
                    "close": close,
                    "volume": np.exp(rng.normal(3, 1, length)) / close,
                    "jump": False,
                }
            )
        )
    return pl.concat(tables)


def setup(**changes: Any) -> BacktestSetup:
    """A setup with plain costs, but for the changes."""
    return replace(BacktestSetup(horizon=3, execution=Execution(), costs=DEAR, funding=NONE), **changes)


def random_decisions(bars: pl.DataFrame, seed: int, *, share: float = 0.7, after: int = 0) -> pl.DataFrame:
    """Weights from -2 to 2 with exits, some of them resting orders inside the bar, on a share of the bars."""
    rng = np.random.default_rng(seed + 1)
    chosen = pl.Series(rng.random(bars.height) < share) & (pl.int_range(bars.height, eager=True) >= 0)
    age = bars.select(pl.int_range(pl.len()).over("entity")).to_series()
    decided = bars.filter(chosen & (age >= after)).select("entity", "time")
    ahead = pl.Series(rng.integers(2, 9, decided.height)) * HOUR
    leaves = pl.Series(rng.random(decided.height) < 0.7)
    return decided.with_columns(
        weight=pl.Series(np.round(rng.uniform(-2, 2, decided.height), 1)),
        exit=pl.when(leaves).then(pl.col("time") + ahead),
    )


def resting(bars: pl.DataFrame, decisions: pl.DataFrame, s: BacktestSetup, seed: int) -> pl.DataFrame:
    """Add ``exit_return``: for half of the exits inside the data, a price that the bar of the exit has traded at."""
    rng = np.random.default_rng(seed + 3)
    returns: list[float | None] = []
    own = {str(key[0]): part.to_dicts() for key, part in bars.partition_by("entity", as_dict=True).items()}
    for entity, time, leave in decisions.select("entity", "time", "exit").iter_rows():
        rows, found = own[entity], None
        fill = next(n for n, bar in enumerate(rows) if bar["time"] == time) + s.execution.delay
        if leave is not None and rng.random() < 0.5:
            bar = next((bar for bar in rows if bar["time"] >= leave), None)
            if bar is not None and fill < len(rows):
                within = rng.uniform(min(bar["low"], bar["close"]), max(bar["high"], bar["close"]))
                found = within / (rows[fill][s.execution.price] or rows[fill]["close"]) - 1
        returns.append(found)
    return decisions.with_columns(exit_return=pl.Series(returns, dtype=pl.Float64))


def settled(bars: pl.DataFrame, seed: int, step: timedelta = 2 * HOUR) -> pl.DataFrame:
    """Settlements of all entities of ``bars`` at random rates, a little after each full step."""
    rng = np.random.default_rng(seed + 2)
    count = int((bars["time"].max() - START) / step) + 2
    return pl.DataFrame(
        [
            {"entity": entity, "event_time": START + step * n + timedelta(milliseconds=7), "rate": rng.normal(0, 1e-3)}
            for entity in bars["entity"].unique(maintain_order=True)
            for n in range(count)
        ],
        schema={"entity": pl.String, "event_time": TIME, "rate": pl.Float64},
    )


@dataclass
class Tranche:
    """What one decision opened."""

    decided: int
    fill: int
    weight: float
    quantity: float
    leaves: int | None  # row of an exit of its own, if that comes before the horizon is over
    at: float | None  # price of a resting order, else the exit is made at the price of its row


@dataclass
class Account:
    """The books of one entity."""

    bars: list[dict[str, Any]]
    due: list[dict[str, Any]]
    orders: dict[datetime, dict[str, Any]]
    liquidity: list[tuple[float, float]]
    tranches: list[Tranche] = field(default_factory=list)
    scales: dict[int, float] = field(default_factory=lambda: defaultdict(lambda: 1.0))
    quantity: float = 0.0
    equity: float = 1.0
    planned: float = 0.0


class Bookkeeper:
    """Goes through time once, with all entities side by side and a list of open tranches in the books of each."""

    def __init__(self, bars: pl.DataFrame, decisions: pl.DataFrame, s: BacktestSetup, rates: pl.DataFrame) -> None:
        self.s, self.accounts = s, {}
        for entity in dict.fromkeys(bars["entity"]):
            orders = {row["time"]: row for row in decisions.filter(entity=entity).to_dicts()}
            if orders:
                whole = bars.filter(entity=entity)
                rows = [bar for bar in whole.to_dicts() if bar["time"] >= min(orders)]
                due = rates.filter(entity=entity).to_dicts()
                self.accounts[entity] = Account(rows, due, orders, usual(whole)[-len(rows) :])
        self.share = (s.capital or 0) / max(1, len(self.accounts))

    def books(self) -> list[dict[str, Any]]:
        """The ledger, row by row."""
        rows = []
        for time in sorted({bar["time"] for own in self.accounts.values() for bar in own.bars}):
            at = {
                entity: n
                for entity, own in self.accounts.items()
                for n, bar in enumerate(own.bars)
                if bar["time"] == time
            }
            rows += [self.row(entity, n) for entity, n in at.items()]
            self.limit(at)
        return sorted(rows, key=lambda row: (row["entity"], row["time"]))

    def price(self, own: Account, n: int) -> float:
        return float(own.bars[n][self.s.execution.price] or own.bars[n]["close"])

    def opened(self, own: Account, n: int) -> Tranche | None:
        """The tranche that is filled at row n."""
        decided = n - self.s.execution.delay
        order = own.orders.get(own.bars[decided]["time"]) if decided >= 0 else None
        if order is None:
            return None
        price, leaves, at = self.price(own, n), None, None
        if self.s.holding == "label_end" and order["exit"] is not None:
            rests = order.get("exit_return") is not None
            later = self.s.at_open and not rests
            reached = (
                i
                for i, bar in enumerate(own.bars)
                if (bar["time"] > order["exit"] if later else bar["time"] >= order["exit"])
            )
            leaves = next(reached, None)
            at = price * (1 + order["exit_return"]) if rests else None
        if leaves is not None and leaves > n + self.s.horizon:
            leaves, at = None, None
        return Tranche(decided, n, order["weight"], order["weight"] / self.s.horizon / price, leaves, at)

    def row(self, entity: str, n: int) -> dict[str, Any]:
        s, own = self.s, self.accounts[entity]
        bar, price, before = own.bars[n], self.price(own, n), own.quantity
        new = self.opened(own, n)
        usable = new is not None and (
            new.leaves is None or new.leaves > n or (s.at_open and new.at and new.leaves == n)
        )
        if new is not None and usable:
            own.tranches.append(new)
        inside = [t for t in own.tranches if t.leaves == n and t.at is not None]
        gone = [t for t in own.tranches if n in (t.leaves, t.fill + s.horizon)]
        own.tranches = [t for t in own.tranches if t not in gone]
        after = self.rounded(entity, sum(t.quantity for t in own.tranches) * own.scales[n])
        if n == len(own.bars) - 1:
            after, own.tranches = 0.0, []
        part = own.scales[n] if s.at_open else own.scales[n - 1]
        left = sum(t.quantity * part for t in inside)
        # first the fills at the open and then the exits inside the bar, or these and then the fills at the close
        traded = abs(after + left - before) * price if s.at_open else abs(after - (before - left)) * price
        traded += sum(abs(t.quantity * part) * (t.at or 0) for t in inside)
        gross = before * (price - self.price(own, n - 1)) if n else 0.0
        gross += sum(t.quantity * part * ((t.at or 0) - price) for t in inside)
        own.quantity = after
        row = {"entity": entity, "time": bar["time"], "position": after * price, "gross": gross, "turnover": traded}
        return row | self.paid(own, n, (before if not s.at_open else after) * bar["close"], row)

    def rounded(self, entity: str, quantity: float) -> float:
        lot = self.s.limits.lot
        if lot is None:
            return quantity
        size = lot[entity] if isinstance(lot, dict) else lot
        whole = int(abs(quantity) * self.share / size + 1e-9)
        return float(np.sign(quantity)) * whole * size / self.share

    def paid(self, own: Account, n: int, held: float, row: dict[str, Any]) -> dict[str, Any]:
        c, time, traded = self.s.costs, row["time"], row["turnover"]
        previous = own.bars[n - 1]["time"] if n else time
        rate = sum(d["rate"] for d in own.due if previous < d["event_time"].replace(microsecond=0) <= time)
        sigma, volume = own.liquidity[n]
        crowded = (traded * self.share / volume) ** 0.5 if self.s.capital and c.impact and traded else 0.0
        paid = {
            "fees": traded * ((1 - c.maker_share) * c.fee_bp + c.maker_share * c.maker_bp) / 1e4,
            "slippage": traded * (1 - c.maker_share) * c.half_spread_bp / 1e4,
            "impact": traded * (c.impact or 0) * sigma * crowded if crowded else 0.0,
            "borrow": max(0.0, -held) * c.borrow_bp / 1e4 * ((time - previous) / YEAR),
            "funding": 0.0 if self.s.funding.kind == "none" else rate * held,
        }
        pnl = row["gross"] - sum(paid.values())
        own.equity += pnl
        return paid | {"pnl": pnl, "equity": own.equity}

    def limit(self, at: dict[str, int]) -> None:
        """Decide, after the close of a bar, how much of its tranches each entity may hold from the next fill on."""
        s = self.s
        wanted, factors = {}, {}
        for entity, n in at.items():
            size = abs(self.planned(self.accounts[entity], n))
            most = s.limits.max_position
            factors[entity] = 1.0 if most is None or size <= most else most / size
            wanted[entity] = size * factors[entity]
        room = np.inf
        if s.limits.max_gross is not None:
            room = s.limits.max_gross * len(self.accounts)
            room -= sum(own.planned for entity, own in self.accounts.items() if entity not in at)
        total = sum(wanted.values())
        shared = 1.0 if total <= room else max(0.0, room) / total
        for entity, n in at.items():
            own = self.accounts[entity]
            own.planned = wanted[entity] * shared
            own.scales[n + s.execution.delay] = factors[entity] * shared

    def planned(self, own: Account, n: int) -> float:
        """Worth at the close of row n of what is filled and ordered by then and not due to leave before the fill."""
        s, fill = self.s, n + self.s.execution.delay
        if n == len(own.bars) - 1:
            return 0.0
        total = 0.0
        for decided in range(max(0, n - s.horizon + 1), n + 1):
            order = own.orders.get(own.bars[decided]["time"])
            opens = decided + s.execution.delay
            if order is None or opens + s.horizon <= fill:
                continue
            new = self.opened(own, opens) if opens < len(own.bars) else None
            if new is not None and new.leaves is not None and new.leaves <= n:
                continue
            filled = new is not None and opens <= n
            total += new.quantity * own.bars[n]["close"] if filled else order["weight"] / s.horizon
        return total


def usual(bars: pl.DataFrame) -> list[tuple[float, float]]:
    """Volatility of a bar and notional of a usual one, by pandas."""
    frame = bars.select("close", "volume").to_pandas()
    moves = np.log(frame["close"]).diff()
    sigma = moves.ewm(span=100, min_periods=2, ignore_na=True).std()
    notional = (frame["volume"] * frame["close"]).ewm(span=100, ignore_na=True).mean()
    return list(zip(sigma.tolist(), notional.tolist(), strict=True))


def slow_ledger(
    bars: pl.DataFrame, decisions: pl.DataFrame, s: BacktestSetup, rates: pl.DataFrame
) -> list[dict[str, Any]]:
    """The ledger in plain Python."""
    return Bookkeeper(bars, decisions, s, rates).books()


@pytest.fixture(scope="session")
def trade() -> SimpleNamespace:
    """The functions above, for test files that cannot import a conftest."""
    names = (market, setup, random_decisions, resting, settled, slow_ledger)
    return SimpleNamespace(**{made.__name__: made for made in names}, FREE=FREE, DEAR=DEAR, NONE=NONE, START=START)
