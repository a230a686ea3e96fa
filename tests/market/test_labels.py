"""Labels against a slow loop, their causes of absence, and the past they may look at."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.errors import ConfigurationError, DataError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels
from assay.market.tables import LABELS

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOSE = Execution(price="close", delay=1)


def market(seed: int = 0, lengths: tuple[int, ...] = (60, 40), *, faults: float = 0.0) -> pl.DataFrame:
    """Random walks, one per entity; ``faults`` is the share of gaps, jumps and null opens."""
    rng = np.random.default_rng(seed)
    tables = []
    for number, length in enumerate(lengths):
        close = 100 * np.exp(0.01 * rng.standard_normal(length).cumsum())
        opened = close * np.exp(0.002 * rng.standard_normal(length))
        hours = np.cumsum(np.where(rng.random(length) < faults, 5, 1)).tolist()
        tables.append(
            pl.DataFrame(
                {
                    "entity": f"E{number}",
                    "time": [START + HOUR * h for h in hours],
                    "open": [None if rng.random() < faults else value for value in opened.tolist()],
                    "close": close,
                    "jump": rng.random(length) < faults,
                }
            ).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
        )
    return pl.concat(tables)


def rule(**changes: Any) -> LabelRule:
    return LabelRule(**({"horizon": 3, "volatility_span": 12, "max_gap": 2 * HOUR} | changes))


def slow_sigma(returns: list[float | None], span: int) -> float | None:
    """Bias-corrected exponentially weighted standard deviation of the returns that are there."""
    kept = [r for r in returns if r is not None]
    if len(kept) < max(2, span // 4):
        return None
    weights = [(1 - 2 / (span + 1)) ** age for age in range(len(kept) - 1, -1, -1)]
    total, squares = sum(weights), sum(w * w for w in weights)
    mean = sum(w * r for w, r in zip(weights, kept, strict=True)) / total
    variance = sum(w * (r - mean) ** 2 for w, r in zip(weights, kept, strict=True)) / total
    return math.sqrt(variance * total**2 / (total**2 - squares))


def slow_labels(bars: pl.DataFrame, r: LabelRule, execution: Execution) -> list[dict[str, Any]]:
    """Row by row, as one would explain it."""
    rows = []
    for _, own in bars.group_by("entity", maintain_order=True):
        b = own.to_dicts()
        returns: list[float | None] = []
        for t, bar in enumerate(b):
            gap = t > 0 and bar["time"] - b[t - 1]["time"] > r.max_gap
            usable = t > 0 and not gap and not bar["jump"]
            returns.append(math.log(bar["close"] / b[t - 1]["close"]) if usable else None)
            first, last = t + execution.delay, t + execution.delay + r.horizon
            sigma = slow_sigma(returns, r.volatility_span)
            row = {"scale": None if sigma is None else sigma * math.sqrt(r.horizon), "cause": None, "label": None}
            row["start"] = b[first]["time"] if first < len(b) else None
            inside = range(t + 1, last + 1)
            if last >= len(b):
                row["cause"] = "tail"
            elif any(b[s]["time"] - b[s - 1]["time"] > r.max_gap for s in inside):
                row["cause"] = "gap"
            elif any(b[s]["jump"] for s in inside):
                row["cause"] = "jump"
            elif b[first][execution.price] is None or b[last][execution.price] is None:
                row["cause"] = "price"
            elif sigma is None:
                row["cause"] = "volatility"
            else:
                move = b[last][execution.price] / b[first][execution.price] - 1
                row |= {"forward_return": move, "label_end": b[last]["time"]}
                row["label"] = (1 if move > 0 else -1) if abs(move) > r.threshold * row["scale"] else 0
            rows.append(row)
    return rows


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    horizon=st.integers(1, 6),
    delay=st.integers(1, 3),
    price=st.sampled_from(["open", "close"]),
    threshold=st.sampled_from([0.0, 0.5, 1.5]),
)
def test_labels_equal_a_slow_loop(seed: int, horizon: int, delay: int, price: Any, threshold: float) -> None:
    bars = market(seed, (60, 4, 45), faults=0.04)
    r, execution = rule(horizon=horizon, threshold=threshold), Execution(price=price, delay=delay)
    labels, manifest = make_labels(bars, r, execution=execution)
    slow = slow_labels(bars, r, execution)
    for name in ("start", "label_end", "label"):
        assert labels[name].to_list() == [row.get(name) for row in slow]
    for name in ("forward_return", "scale"):
        expected = [row.get(name) for row in slow]
        assert labels[name].is_null().to_list() == [value is None for value in expected]
        assert labels[name].drop_nulls().to_list() == pytest.approx([v for v in expected if v is not None], rel=1e-9)
    assert manifest["nulls"] == {c: sum(row["cause"] == c for row in slow) for c in manifest["nulls"]}
    assert manifest["labelled"] + sum(manifest["nulls"].values()) == manifest["rows"] == bars.height


def test_the_table_keeps_its_contract() -> None:
    bars = market()
    labels, _ = make_labels(bars, rule(), execution=CLOSE)
    assert dict(labels.schema) == LABELS
    assert labels.select("entity", "time").equals(bars.select("entity", "time"))
    whole = labels.drop_nulls()
    assert (whole["start"] > whole["time"]).all()
    assert (whole["label_end"] > whole["start"]).all()


@pytest.mark.parametrize("cut", [30, 45])
def test_scale_knows_only_the_past(cut: int) -> None:
    bars = market(lengths=(60,))
    later = pl.int_range(pl.len()) > cut
    changed = bars.with_columns(pl.when(later).then(pl.col("close") * 3).otherwise("close").alias("close"))
    one, _ = make_labels(bars, rule(), execution=CLOSE)
    two, _ = make_labels(changed, rule(), execution=CLOSE)
    assert one["scale"][: cut + 1].equals(two["scale"][: cut + 1])
    assert not one["scale"].equals(two["scale"])


def test_each_parameter_changes_the_labels() -> None:
    bars = market(faults=0.03)
    base, _ = make_labels(bars, rule(), execution=CLOSE)
    for change in ({"horizon": 4}, {"threshold": 2.0}, {"volatility_span": 40}, {"max_gap": 10 * HOUR}):
        other, manifest = make_labels(bars, rule(**change), execution=CLOSE)
        assert not other.equals(base), change
    assert manifest["max_gap_hours"] == 10.0
    for execution in (Execution(price="open"), Execution(delay=2)):
        assert not make_labels(bars, rule(), execution=execution)[0].equals(base)


def test_a_jump_nulls_the_labels_over_it_and_is_counted_with_its_return() -> None:
    bars = market(lengths=(60,))
    jump = pl.int_range(pl.len()) >= 30
    bars = bars.with_columns(
        pl.when(jump).then(pl.col("close") * 10).otherwise("close").alias("close"), jump=pl.int_range(pl.len()) == 30
    )
    labels, manifest = make_labels(bars, rule(), execution=CLOSE)
    assert labels["label"][26:30].null_count() == 4  # (t, t + delay + horizon] holds bar 30
    assert labels["label"][25] is not None
    assert labels["label"][30] is not None
    assert manifest["nulls"]["jump"] == 4
    assert manifest["jump_returns"]["max"] == pytest.approx(9, abs=1)
    assert labels["scale"][31] < 0.05  # the jump itself is no volatility


def test_manifest_says_what_was_done() -> None:
    labels, manifest = make_labels(market(), rule(threshold=1.0), execution=Execution(price="open", delay=2))
    assert sum(manifest["class_shares"].values()) == pytest.approx(1)
    assert manifest["class_shares"]["LONG"] == (labels["label"] == 1).sum() / manifest["labelled"]
    assert (manifest["threshold"], manifest["horizon"], manifest["volatility_span"]) == (1.0, 3, 12)
    assert manifest["execution"] == {"price": "open", "delay": 2}
    assert manifest["jump_returns"] == {"mean": None, "min": None, "max": None}


def test_a_standing_market_has_no_label() -> None:
    bars = market().with_columns(close=pl.when(entity="E0").then(100.0).otherwise("close"))
    labels, manifest = make_labels(bars, rule(), execution=CLOSE)
    assert labels.filter(entity="E0")["label"].null_count() == 60
    assert manifest["nulls"]["volatility"] >= 56


def test_a_horizon_longer_than_all_data_is_an_error() -> None:
    with pytest.raises(
        ConfigurationError, match=r"(?s)at least 61 bars.*longest is E0 with 60 bars.*lower the horizon"
    ):
        make_labels(market(), rule(horizon=59), execution=CLOSE)
    with pytest.raises(ConfigurationError, match="0 entities"):
        make_labels(market().clear(), rule(), execution=CLOSE)
    assert make_labels(market(), rule(horizon=50), execution=CLOSE)[1]["nulls"]["tail"] == 51 + 40


def test_no_label_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match=r"(?s)no row got a label.*'gap': 92.*raise max_gap"):
        make_labels(market(), rule(max_gap=HOUR / 2), execution=CLOSE)


@pytest.mark.parametrize("change", [{"horizon": 0}, {"threshold": -1}, {"volatility_span": 1}, {"max_gap": -HOUR}])
def test_impossible_rules_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        rule(**change)
