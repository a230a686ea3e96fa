from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from kedro.io import DataCatalog, DatasetError

from assay.datasets import contracts
from assay.market.errors import DataError
from assay.market.tables import BARS, FEED, KEY, LABELS, LEDGER, PREDICTIONS, PROBABILITIES

ROWS = 6
NAN = float("nan")
TIMES = [datetime(2024, 1, 1 + n % 3, tzinfo=UTC) for n in range(ROWS)]
DAY = timedelta(days=1)
KEYS = {"entity": ["A"] * 3 + ["B"] * 3, "time": TIMES}


def frame(schema: dict[str, Any], **columns: Any) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=schema)


def bars() -> pl.DataFrame:
    prices = {"open": [1.0, None] * 3, "high": [2.0, None] * 3, "low": [0.5] * ROWS, "close": [1.0] * ROWS}
    return frame(BARS, **KEYS, **prices, volume=[0.0] * ROWS, jump=[False] * ROWS)


def panel() -> pl.DataFrame:
    return bars().with_columns(trades=pl.lit(3.0), vix_close=pl.lit(None, pl.Float64), vix_age=pl.lit(24.0))


def feed() -> pl.DataFrame:
    known = [TIMES[0], TIMES[1], TIMES[2]] * 2
    schema = FEED | {"rate": pl.Float64}
    return frame(
        schema, entity=KEYS["entity"], event_time=[TIMES[0]] * ROWS, available_time=known, rate=[-0.1, None] * 3
    )


def features() -> pl.DataFrame:
    return frame({name: BARS[name] for name in KEY} | {"rsi_14": pl.Float32}, **KEYS, rsi_14=[None, 50.0] * 3)


def labels() -> pl.DataFrame:
    later = {"start": [t + DAY for t in TIMES], "label_end": [t + 2 * DAY for t in TIMES[:5]] + [None]}
    outcome = {"forward_return": [-0.1] * 5 + [None], "label": [-1, 0, 1, 0, 0, None], "scale": [0.01] * 5 + [None]}
    return frame(LABELS, **KEYS, **later, **outcome)


def predictions(classes: bool = True) -> pl.DataFrame:
    common = labels().select("entity", "time", "label_end", "forward_return", "scale")
    common = common.with_columns(fold=pl.lit(1, pl.Int32), train_end=pl.lit(TIMES[0] - DAY).cast(LABELS["time"]))
    common = common.select(PREDICTIONS.keys())
    if not classes:
        return common.with_columns(y_true="forward_return", y_pred=pl.lit(0.001))
    shares = {name: pl.lit(share) for name, share in zip(PROBABILITIES, (0.2, 0.5, 0.3), strict=True)}
    return common.with_columns(y_true=labels()["label"], y_pred=pl.lit(0, pl.Int8), **shares)


def stacked(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(table.select(pl.lit(model).alias("model"), pl.all()) for model in ("zebra", "ant"))


def ledger() -> pl.DataFrame:
    numbers = {name: [0.0] * ROWS for name, dtype in LEDGER.items() if dtype == pl.Float64}
    return stacked(frame({n: d for n, d in LEDGER.items() if n != "model"}, **KEYS, **numbers))


def decisions() -> pl.DataFrame:
    said = {"entity": ["A", "B", "C"], "time": TIMES[:3], "signal": ["SHORT", "LONG", "NEUTRAL"]}
    band = {"target_return": [0.0, 0.01, -0.01], "lower": [-0.1, 0.01, -0.1], "upper": [0.1, 0.01, 0.1]}
    rest = {"confidence": [1 / 3, 1.0, 0.0], "bundle_id": ["x+y"] * 3, "feature_age": [0.0, 4.0, 0.0]}
    return pl.DataFrame(said | band | rest).cast({"time": BARS["time"]})


def importance() -> pl.DataFrame:
    """By fold, the most important first, as the models are stacked."""
    shares = {"fold": [1, 1, 2], "feature": ["b", "a", "a"], "importance": [1.0, 0.0, 0.5]}
    return stacked(pl.DataFrame(shares).cast({"fold": pl.Int32}))


def shap_values() -> pl.DataFrame:
    """Two rows of one model; a feature may be missing where its contribution is not."""
    told = {"fold": [1, 1], "entity": ["A", "A"], "time": TIMES[:2], "feature": ["a", "b"]}
    numbers = {"value": [0.5, None], "shap": [0.01, -0.02]}
    types = {"fold": pl.Int32, "time": BARS["time"], "value": pl.Float32, "shap": pl.Float32}
    return stacked(pl.DataFrame(told | numbers).cast(types)).head(2)


def quarantine() -> pl.DataFrame:
    """A bar without an entity, a settlement without a time, and a daily value; with their faults."""
    return pl.DataFrame(
        {
            "entity": [None, "A", "*"],
            "time": [TIMES[0], None, None],
            "reason": ["entity_missing", "time_missing", "conflicting_duplicate"],
            "source": ["bars_raw", "funding_raw", "vix_raw"],
            "close": [NAN, None, 20.0],
            "date": [None, None, TIMES[0].date()],
        },
    ).cast({"time": BARS["time"]})


GOOD = {
    "Bars": bars(),
    "Feed": feed(),
    "Panel": panel(),
    "Features": features(),
    "Labels": labels(),
    "ModelInput": labels().join(features(), on=KEY),
    "Predictions": predictions(),
    "Oos": stacked(predictions()),
    "Ledger": ledger(),
    "Decisions": decisions(),
    "Importance": importance(),
    "ShapValues": shap_values(),
    "Scale": labels().select(*KEY, "scale"),
    "Quarantine": quarantine(),
}


def check(name: str, table: Any) -> str:
    """The error of a catalog that saves such a table, or an empty text."""
    entry = {
        "type": "kedro.io.MemoryDataset",
        "validator": {"class": f"assay.datasets.contracts.{name}", "on": ["save"]},
    }
    try:
        DataCatalog.from_config({"crypto.table": entry}).save("crypto.table", table)
    except DatasetError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", GOOD)
def test_a_good_table_passes(name: str) -> None:
    assert check(name, GOOD[name]) == ""
    assert check(name, GOOD[name].clear()) == ""


def test_returns_may_have_bounds_and_no_decision_needs_them() -> None:
    bounded = predictions(classes=False).with_columns(lower=pl.lit(None, pl.Float64), upper=pl.lit(0.1))
    assert check("Predictions", bounded) == ""
    assert "upper: finite" in check("Predictions", bounded.with_columns(upper=pl.lit(NAN)))
    assert check("Decisions", decisions().with_columns(put("lower", None), put("upper", None))) == ""


@pytest.mark.parametrize("table", [predictions(classes=False), stacked(predictions(classes=False))], ids=["one", "all"])
def test_predictions_may_be_of_classes_or_of_returns(table: pl.DataFrame) -> None:
    assert check("Oos" if "model" in table.columns else "Predictions", table) == ""


def put(column: str, value: Any, row: int = 1) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(column).alias(column)


BAD = [
    ("Bars", put("close", 0.0), "close: greater_than(0) — 1 case (e.g. 0.0)"),
    ("Bars", put("close", None), "close: not_nullable"),
    ("Bars", put("open", NAN), "open: finite — 1 case"),
    ("Bars", put("high", float("inf")), "high: finite"),
    ("Bars", put("low", 3.0, row=0), "high >= low"),
    ("Bars", put("volume", -1.0), "volume: greater_than_or_equal_to(0)"),
    ("Bars", put("time", TIMES[0]), "sorted and unique by entity, time"),
    ("Bars", put("entity", "A", row=4), "sorted and unique by entity, time"),
    ("Bars", put("entity", None), "entity: not_nullable"),
    ("Bars", pl.col("time").dt.replace_time_zone(None), "time: dtype('Datetime(time_unit='us', time_zone='UTC')')"),
    ("Bars", pl.col("time").cast(pl.Datetime("ns", "UTC")), "time: dtype"),
    ("Bars", pl.col("volume").cast(pl.Float32), "volume: dtype('Float64')"),
    ("Panel", put("vix_age", NAN), "vix_age: finite"),
    ("Panel", pl.col("vix_close").cast(pl.Float32), "vix_close: dtype('Float64')"),
    ("Panel", put("trades", -1.0), "trades: greater_than_or_equal_to(0)"),
    ("Feed", put("rate", NAN), "rate: finite"),
    ("Feed", put("available_time", TIMES[0]), "sorted and unique by entity, event_time, available_time"),
    ("Feed", put("available_time", None), "available_time: not_nullable"),
    ("Features", put("rsi_14", NAN), "rsi_14: finite"),
    ("Features", pl.col("rsi_14").cast(pl.Float64), "rsi_14: dtype('Float32')"),
    ("Features", pl.col("time").reverse(), "sorted and unique"),
    ("Labels", pl.col("time").alias("start"), "start > time — 6 cases"),
    ("Labels", pl.col("time").alias("label_end"), "label_end >= start"),
    ("Labels", put("label", None), "label and label_end null together — 1 case"),
    ("Labels", (pl.col("label") * 2).alias("label"), "label: isin"),
    ("Labels", put("forward_return", NAN), "forward_return: finite"),
    ("ModelInput", put("rsi_14", NAN), "rsi_14: finite"),
    ("ModelInput", pl.col("time").alias("start"), "start > time"),
    ("Predictions", pl.col("time").alias("train_end"), "train_end < time — 6 cases"),
    ("Predictions", pl.col("time").alias("label_end"), "label_end > time"),
    ("Predictions", put("fold", None), "fold: not_nullable"),
    ("Predictions", put("y_pred", None), "y_pred: not_nullable"),
    ("Predictions", put("p_long", 0.2), "probabilities sum to 1 — 1 case"),
    ("Predictions", put("p_long", 1.3), "p_long: in_range(0, 1)"),
    ("Predictions", pl.col("y_true").cast(pl.Float64), "y_true: dtype('Int8')"),
    ("Predictions", put("time", TIMES[0]), "sorted and unique"),
    ("Oos", put("model", "ant"), "one block per model"),
    ("Oos", put("time", TIMES[0], row=7), "one block per model, sorted and unique by entity, time"),
    ("Oos", pl.col("time").alias("train_end"), "train_end < time"),
    ("Ledger", put("pnl", NAN), "pnl: finite"),
    ("Ledger", put("position", None), "position: not_nullable"),
    ("Ledger", put("model", "ant"), "one block per model"),
    ("Ledger", put("impact", -1.0), "impact: greater_than_or_equal_to"),
    ("Ledger", put("fees", 1e-6), "pnl = gross - costs"),
    ("Decisions", put("entity", "A"), "sorted and unique by entity"),
    ("Decisions", put("time", None), "time: not_nullable"),
    ("Decisions", put("signal", "HOLD"), "signal: isin"),
    ("Decisions", put("confidence", 1.1), "confidence: in_range(0, 1)"),
    ("Decisions", put("confidence", -0.1, row=2), "confidence: in_range(0, 1)"),
    ("Decisions", put("confidence", 0.3), "SHORT and LONG have at least 1/3 — 1 case"),
    ("Decisions", put("target_return", NAN), "target_return: finite"),
    ("Decisions", put("lower", float("-inf")), "lower: finite"),
    ("Decisions", put("upper", NAN), "upper: finite"),
    ("ShapValues", put("shap", None), "shap: not_nullable"),
    ("Scale", put("scale", NAN), "scale: finite"),
    ("Decisions", put("upper", 0.0), "lower <= upper — 1 case"),
    ("Decisions", put("bundle_id", None), "bundle_id: not_nullable"),
    ("Decisions", put("feature_age", -1.0), "feature_age: greater_than_or_equal_to(0)"),
    ("Importance", put("importance", 1.1), "importance: in_range(0, 1)"),
    ("Importance", put("importance", -0.1), "importance: in_range(0, 1)"),
    ("Importance", put("importance", None), "importance: not_nullable"),
    ("Importance", put("feature", "b"), "unique by model, fold, feature"),
    ("Importance", put("feature", None), "feature: not_nullable"),
    ("Importance", put("model", None), "model: not_nullable"),
    ("Importance", pl.col("fold").cast(pl.Int64), "fold: dtype('Int32')"),
    ("Quarantine", put("reason", None), "reason: not_nullable"),
    ("Quarantine", put("source", None), "source: not_nullable"),
    ("Quarantine", pl.col("close").cast(pl.String), "close: dtype('Float64')"),
    ("Quarantine", pl.col("time").dt.replace_time_zone(None), "time: dtype"),
    ("Quarantine", pl.col("entity").cast(pl.Categorical), "entity: dtype"),
]


@pytest.mark.parametrize(("name", "fault", "problem"), BAD)
def test_a_broken_promise_is_named(name: str, fault: pl.Expr, problem: str) -> None:
    message = check(name, GOOD[name].with_columns(fault))
    assert message.startswith("Validation failed for dataset 'crypto.table' on save")
    assert problem in message


@pytest.mark.parametrize("name", GOOD)
def test_every_fixed_column_is_needed(name: str) -> None:
    fixed = [column for column, schema in getattr(contracts, name).columns.items() if schema.required]
    assert fixed
    for column in fixed:
        assert column in check(name, GOOD[name].drop(column))


def test_a_removed_row_has_a_time_or_a_date() -> None:
    assert check("Quarantine", quarantine().drop("date")) == check("Quarantine", quarantine().drop("time")) == ""
    assert "time" in check("Quarantine", quarantine().drop("time", "date"))


def test_every_table_of_the_catalog_has_its_contract(root: Path) -> None:
    files = (root / "conf" / "base").rglob("catalog.yml")
    entries = {name: entry for file in files for name, entry in yaml.safe_load(file.read_text()).items()}
    frames = {name: entry for name, entry in entries.items() if entry["type"].endswith("files.Frame")}
    assert [name for name, entry in frames.items() if "validator" not in entry] == []
    assert {entry["validator"]["class"].rsplit(".", 1)[-1] for entry in frames.values()} == set(GOOD)


@pytest.mark.parametrize("missing", PROBABILITIES)
def test_classes_come_with_their_probabilities(missing: str) -> None:
    assert missing in check("Predictions", predictions().drop(missing))


@pytest.mark.parametrize("name", GOOD)
def test_a_lazy_table_is_refused(name: str) -> None:
    contract: contracts.Contract = getattr(contracts, name)
    with pytest.raises(DataError, match=r"table: cannot be checked\n  expected: a polars DataFrame in memory"):
        contract.validate(GOOD[name].lazy())  # type: ignore[arg-type]
