"""All kinds of labels against a slow loop, the causes of absence, and what a label may look at."""

import math
from collections.abc import Callable, Sequence
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
from assay.market.labels import LabelRule, check_tradable, make_labels
from assay.market.tables import LABELS

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOSE = Execution(price="close", delay=1)
CAUSES = ("tail", "gap", "jump", "price", "volatility")
COMMON = {"volatility_span": 12, "max_gap": 2 * HOUR}
KINDS: dict[str, dict[str, Any]] = {
    "fixed_horizon": {"horizon": 3},
    "triple_barrier": {"horizon": 4, "profit_take": 0.8, "stop_loss": 0.6},
    "trend_scanning": {"min_length": 5, "max_length": 8, "threshold": 3.0},
    "forecast": {"horizon": 3, "target": "interest"},
}

Panel = Callable[..., pl.DataFrame]
Rows = list[dict[str, Any]]
Sigma = Callable[[list[float | None], int], float | None]


def rule(kind: str = "fixed_horizon", **changes: Any) -> LabelRule:
    return LabelRule(**({"kind": kind} | COMMON | KINDS[kind] | changes))


def slow_fixed(b: Rows, t: int, r: Any, execution: Execution, _scale: float | None) -> dict[str, Any]:
    first, last = t + execution.delay, t + execution.delay + r.horizon
    if last >= len(b):
        return {"end": None}
    a, z = b[first][execution.price], b[last][execution.price]
    return {"end": last, "r": None if a is None or z is None else z / a - 1}


def slow_forecast(b: Rows, t: int, r: Any, _execution: Execution, _scale: float | None) -> dict[str, Any]:
    last = t + r.horizon
    if last >= len(b):
        return {"end": None}
    a, z = b[t][r.target], b[last][r.target]
    return {"end": last, "r": None if a is None or z is None else z / a - 1}


def slow_barriers(b: Rows, t: int, r: Any, execution: Execution, scale: float | None) -> dict[str, Any]:
    entry, last = t + execution.delay, t + execution.delay + r.horizon
    price = b[entry][execution.price] if entry < len(b) else None
    live = range(entry, last) if execution.price == "open" else range(entry + 1, last + 1)
    if price is not None and scale is not None:
        up, down = price * (1 + r.profit_take * scale), price * (1 - r.stop_loss * scale)
        for s in (s for s in live if s < len(b)):
            o, high, low = b[s]["open"], b[s]["high"], b[s]["low"]
            high, low = (b[s]["close"] if value is None else value for value in (high, low))
            if o is not None and not down < o < up:
                return {"end": s, "r": o / price - 1, "side": 1 if o >= up else -1}
            if low <= down:
                return {"end": s, "r": down / price - 1, "side": -1, "both": high >= up}
            if high >= up:
                return {"end": s, "r": up / price - 1, "side": 1}
    if last >= len(b):
        return {"end": None}
    z = b[last][execution.price]
    return {"end": last, "r": None if price is None or z is None else z / price - 1, "side": 0}


def slow_trend(b: Rows, t: int, r: Any, execution: Execution, _scale: float | None) -> dict[str, Any]:
    entry = t + execution.delay
    if entry + r.max_length >= len(b):
        return {"end": None}
    found: list[tuple[float, int]] = []
    for length in range(r.min_length, r.max_length + 1):
        prices = [bar[execution.price] for bar in b[entry : entry + length + 1]]
        if None not in prices:
            r_value = np.corrcoef(range(length + 1), np.log(prices))[0, 1]
            found.append((r_value * math.sqrt((length - 1) / (1 - r_value**2)), length))
    if not found:
        return {"end": entry + r.max_length, "r": None}
    t_value, length = max(found, key=lambda pair: abs(pair[0]))
    move = b[entry + length][execution.price] / b[entry][execution.price] - 1
    return {"end": entry + r.max_length, "r": move, "side": int(np.sign(t_value)) * (abs(t_value) > r.threshold)}


SLOW = {
    "fixed_horizon": slow_fixed,
    "triple_barrier": slow_barriers,
    "trend_scanning": slow_trend,
    "forecast": slow_forecast,
}


def slow_labels(panel: pl.DataFrame, r: Any, execution: Execution, sigma: Sigma) -> Rows:
    """Row by row, as one would explain it."""
    rows = []
    measured = r.target if r.kind == "forecast" else "close"
    for _, own in panel.group_by("entity", maintain_order=True):
        b = own.to_dicts()
        gaps = [t > 0 and b[t]["time"] - b[t - 1]["time"] > r.max_gap for t in range(len(b))]
        changes: list[float | None] = []
        for t in range(len(b)):
            now, then = b[t][measured], b[t - 1][measured] if t else None
            usable = now is not None and then is not None and not gaps[t] and not b[t]["jump"]
            changes.append(math.log(now / then) if usable else None)
            sigma_t = sigma(changes, r.volatility_span)
            scale = None if sigma_t is None else sigma_t * math.sqrt(r.longest)
            found = SLOW[r.kind](b, t, r, execution, scale)
            rows.append({"scale": scale, "cause": slow_cause(b, t, found, scale, gaps), "found": found})
            if not rows[-1]["cause"]:
                rows[-1] |= slow_row(b, found, r, scale)
    return rows


def slow_cause(b: Rows, t: int, found: dict[str, Any], scale: float | None, gaps: Sequence[bool]) -> str | None:
    if found["end"] is None:
        return "tail"
    inside = range(t + 1, found["end"] + 1)
    if any(gaps[s] for s in inside):
        return "gap"
    if any(b[s]["jump"] for s in inside):
        return "jump"
    if found["r"] is None:
        return "price"
    return "volatility" if scale is None else None


def slow_row(b: Rows, found: dict[str, Any], r: Any, scale: Any) -> dict[str, Any]:
    move = found["r"]
    side = found.get("side", (1 if move > 0 else -1) * (abs(move) > getattr(r, "threshold", 0) * scale))
    return {"label": side, "forward_return": move, "label_end": b[found["end"]]["time"]}


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    delay=st.integers(1, 3),
    price=st.sampled_from(["open", "close"]),
    length=st.integers(0, 3),
)
@pytest.mark.parametrize("kind", KINDS)
def test_labels_equal_a_slow_loop(
    kind: str, seed: int, delay: int, price: Any, length: int, market: Panel, sigma: Sigma
) -> None:
    panel = market(seed, (60, 4, 45), faults=0.03)
    name = "max_length" if kind == "trend_scanning" else "horizon"
    r, execution = rule(kind, **{name: KINDS[kind][name] + length}), Execution(price=price, delay=delay)
    labels, manifest = make_labels(panel, r, execution=execution)
    slow = slow_labels(panel, r.root, execution, sigma)
    for name in ("label_end", "label"):
        assert labels[name].to_list() == [row.get(name) for row in slow]
    for name in ("forward_return", "scale"):
        expected = [row.get(name) for row in slow]
        assert labels[name].is_null().to_list() == [value is None for value in expected]
        assert labels[name].drop_nulls().to_list() == pytest.approx([v for v in expected if v is not None], rel=1e-9)
    assert manifest["nulls"] == {c: sum(row["cause"] == c for row in slow) for c in CAUSES}
    assert manifest["labelled"] + sum(manifest["nulls"].values()) == manifest["rows"] == panel.height
    if kind == "triple_barrier":
        both = sum(bool(row["found"].get("both")) for row in slow if not row["cause"])
        assert manifest["touches"]["both_in_one_bar"] == both


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_keeps_its_contract(kind: str, market: Panel) -> None:
    panel = market()
    labels, manifest = make_labels(panel, rule(kind), execution=CLOSE)
    assert dict(labels.schema) == LABELS
    assert labels.select("entity", "time").equals(panel.select("entity", "time"))
    whole = labels.drop_nulls()
    assert whole.height == manifest["labelled"]
    assert (whole["start"] > whole["time"]).all()
    assert (whole["label_end"] > whole["start"]).all()
    assert not labels["forward_return"].is_nan().any()


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), cut=st.integers(25, 58), price=st.sampled_from(["open", "close"]))
@pytest.mark.parametrize("kind", KINDS)
def test_a_label_does_not_know_what_comes_after_its_end(
    kind: str, seed: int, cut: int, price: Any, market: Panel
) -> None:
    panel, execution = market(seed, faults=0.01), Execution(price=price)
    end = START + HOUR * cut
    late, numbers = pl.col("time") > end, ("open", "high", "low", "close", "interest")
    other = panel.with_columns(
        pl.when(late).then(pl.col(n) * (1 + 0.1 * pl.col("close").sin())).otherwise(n).alias(n) for n in numbers
    )
    tables = [make_labels(p, rule(kind), execution=execution)[0] for p in (panel, other, panel.filter(~late))]
    known = [table.filter(pl.col("label_end") <= end) for table in tables]
    assert known[0].equals(known[1])
    assert known[0].equals(known[2])
    scales = [table.filter(pl.col("time") <= end)["scale"] for table in tables]
    assert scales[0].equals(scales[1])


CHANGES: dict[str, list[dict[str, Any]]] = {
    "fixed_horizon": [{"horizon": 4}, {"threshold": 2.0}],
    "triple_barrier": [{"horizon": 5}, {"profit_take": 1.5}, {"stop_loss": None}, {"vertical": "sign"}],
    "trend_scanning": [{"min_length": 6}, {"max_length": 9}, {"threshold": 9.0}],
    "forecast": [{"horizon": 4}, {"threshold": 2.0}, {"target": "close"}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_changes_the_labels(kind: str, market: Panel) -> None:
    panel = market(faults=0.03, lengths=(150, 60))
    base, told = make_labels(panel, rule(kind), execution=CLOSE)
    for change in ({"volatility_span": 40}, {"max_gap": 10 * HOUR}, *CHANGES[kind]):
        other, manifest = make_labels(panel, rule(kind, **change), execution=CLOSE)
        assert not other.equals(base), change
        assert manifest != told
    for execution in (Execution(price="open"), Execution(delay=2)):
        same = make_labels(panel, rule(kind), execution=execution)[0].equals(base)
        assert same == (kind == "forecast")  # which trades nothing


@pytest.mark.parametrize("kind", KINDS)
def test_entities_know_nothing_of_each_other(kind: str, market: Panel) -> None:
    panel = market(faults=0.03)
    both, _ = make_labels(panel, rule(kind), execution=CLOSE)
    alone = [make_labels(panel.filter(entity=e), rule(kind), execution=CLOSE)[0] for e in ("E0", "E1")]
    assert both.equals(pl.concat(alone))


def test_a_jump_nulls_the_labels_over_it_and_is_counted_with_its_return(market: Panel) -> None:
    panel = market(lengths=(60,))
    jump = pl.int_range(pl.len()) >= 30
    panel = panel.with_columns(
        pl.when(jump).then(pl.col("close") * 10).otherwise("close").alias("close"), jump=pl.int_range(pl.len()) == 30
    )
    labels, manifest = make_labels(panel, rule(), execution=CLOSE)
    assert labels["label"][26:30].null_count() == 4  # (t, t + delay + horizon] holds bar 30
    assert labels["label"][25] is not None
    assert labels["label"][30] is not None
    assert manifest["nulls"]["jump"] == 4
    assert manifest["jump_returns"]["max"] == pytest.approx(9, abs=1)
    assert labels["scale"][31] < 0.05  # the jump itself is no volatility


def test_manifest_says_what_was_done(market: Panel) -> None:
    labels, manifest = make_labels(market(), rule(threshold=1.0), execution=Execution(price="open", delay=2))
    assert sum(manifest["class_shares"].values()) == pytest.approx(1)
    assert manifest["class_shares"]["LONG"] == (labels["label"] == 1).sum() / manifest["labelled"]
    assert (manifest["kind"], manifest["target"], manifest["tradable"]) == ("fixed_horizon", "open", True)
    assert (manifest["threshold"], manifest["threshold_seen"]) == (1.0, None)
    assert (manifest["horizon"], manifest["volatility_span"], manifest["max_gap_hours"]) == (3, 12, 2.0)
    assert manifest["execution"] == {"price": "open", "delay": 2}
    assert manifest["jump_returns"] == {"mean": None, "min": None, "max": None}


@pytest.mark.parametrize(("kind", "longest"), [("triple_barrier", 4), ("trend_scanning", 8), ("forecast", 3)])
def test_manifest_gives_the_longest_span(kind: str, longest: int, market: Panel) -> None:
    labels, manifest = make_labels(market(lengths=(60,)), rule(kind), execution=CLOSE)
    assert manifest["horizon"] == longest
    hours = (labels["label_end"] - labels["start"]).drop_nulls().dt.total_microseconds() / 3.6e9
    assert hours.max() == pytest.approx(longest, abs=1e-6)


def test_a_standing_market_has_no_label(market: Panel) -> None:
    panel = market().with_columns(close=pl.when(entity="E0").then(100.0).otherwise("close"))
    labels, manifest = make_labels(panel, rule(), execution=CLOSE)
    assert labels.filter(entity="E0")["label"].null_count() == 60
    assert manifest["nulls"]["volatility"] >= 56


def test_a_horizon_longer_than_all_data_is_an_error(market: Panel) -> None:
    with pytest.raises(
        ConfigurationError, match=r"(?s)at least 61 bars.*longest is E0 with 60 bars.*lower the horizon"
    ):
        make_labels(market(), rule(horizon=59), execution=CLOSE)
    with pytest.raises(ConfigurationError, match="0 entities"):
        make_labels(market().clear(), rule(), execution=CLOSE)
    assert make_labels(market(), rule(horizon=50), execution=CLOSE)[1]["nulls"]["tail"] == 51 + 40
    assert make_labels(market(), rule("forecast", horizon=56), execution=CLOSE)[1]["labelled"] == 1


def test_no_label_at_all_is_an_error(market: Panel) -> None:
    with pytest.raises(DataError, match=r"(?s)no row got a label.*'gap': 92.*raise max_gap"):
        make_labels(market(), rule(max_gap=HOUR / 2), execution=CLOSE)


def test_a_missing_column_is_named(market: Panel) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)forecast: .*no column of numbers volumes.*open, high"):
        make_labels(market(), rule("forecast", target="volumes"), execution=CLOSE)
    with pytest.raises(ConfigurationError, match=r"no column of numbers high, low"):
        make_labels(market().drop("high", "low"), rule("triple_barrier"), execution=CLOSE)


def test_a_forecast_of_something_else_than_a_price_cannot_be_traded(market: Panel) -> None:
    price = make_labels(market(), rule("forecast", target="close"), execution=CLOSE)[1]
    interest = make_labels(market(), rule("forecast"), execution=CLOSE)[1]
    assert (price["target"], price["tradable"]) == ("close", True)
    assert (interest["target"], interest["tradable"]) == ("interest", False)
    check_tradable(price)
    with pytest.raises(ConfigurationError, match=r"(?s)labels of interest.*no ledger.*a price to forecast"):
        check_tradable(interest)


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("fixed_horizon", {"horizon": 0}, "horizon"),
        ("fixed_horizon", {"threshold": -1}, "threshold"),
        ("fixed_horizon", {"volatility_span": 1}, "volatility_span"),
        ("fixed_horizon", {"max_gap": -HOUR}, "max_gap"),
        ("fixed_horizon", {"threshold": 0.5, "neutral_share": 0.4}, "not both"),
        ("fixed_horizon", {"neutral_share": 1.0}, "neutral_share"),
        ("triple_barrier", {"profit_take": 0}, "profit_take"),
        ("triple_barrier", {"threshold": 1}, "threshold"),
        ("trend_scanning", {"min_length": 4}, "min_length"),
        ("trend_scanning", {"min_length": 9}, "min_length 9 is larger than max_length 8"),
    ],
)
def test_impossible_rules_are_refused(kind: str, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        rule(kind, **change)


def test_a_rule_without_a_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        LabelRule(horizon=3, max_gap=HOUR)
