from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.io import DataCatalog
from pydantic import ValidationError

from assay.datasets.contracts import Bars, Feed, Panel, Quarantine
from assay.datasets.sources import Folder
from assay.market.errors import DataError
from assay.workloads.equity.ingestion import EquityIngestion, clean
from assay.workloads.equity.workload import EQUITY

PRICES = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def params(configured: Any) -> EquityIngestion:
    return EquityIngestion.model_validate(configured("equity")["ingestion"])


@pytest.fixture(scope="module")
def raw(sources: Any) -> dict[str, pl.DataFrame]:
    catalog = sources("base")
    return {name: catalog.load(f"equity.{name}") for name in ("bars_raw", "vix_raw", "wti_raw")}


@pytest.fixture(scope="module")
def ingested(ingest: Any, raw: dict[str, pl.DataFrame], params: EquityIngestion) -> DataCatalog:
    found: DataCatalog = ingest(EQUITY, raw, {"ingestion": params})
    return found


@pytest.fixture(scope="module")
def panel(ingested: DataCatalog) -> pl.DataFrame:
    found: pl.DataFrame = ingested.load("panel")
    return found


def test_the_tables_keep_their_contracts(ingested: DataCatalog, panel: pl.DataFrame) -> None:
    Bars.validate(ingested.load("bars"))
    Feed.validate(ingested.load("vix"))
    Feed.validate(ingested.load("wti"))
    Panel.validate(panel)
    assert panel.select(ingested.load("bars").columns).equals(ingested.load("bars"))


def test_the_quality_says_what_these_data_are(ingested: DataCatalog) -> None:
    quality = ingested.load("quality")
    assert quality["bars"] == {"rows_in": 10_062, "rows_out": 10_062, "quarantined": 0, "counts": {}}
    assert quality["vix"] | {"age_hours": None} == {
        **{"rows_in": 1305, "rows_out": 1259, "quarantined": 0, "counts": {"empty": 46}},
        **{"coverage": pytest.approx(0.25, abs=0.01), "entities_covered": 2, "age_hours": None},
    }
    assert quality["wti"]["counts"] == {"empty": 290}
    assert quality["wti"]["coverage"] == 1
    assert [e["entity"] for e in quality["entities"]] == ["NASDAQ", "SP500"]
    assert quality["stale_open_share"] > 0.2
    assert any("not tradable" in note and "exclude dividends" in note for note in quality["notes"])
    assert ingested.load("quarantine").is_empty()


def test_bars_are_known_at_the_close_of_their_session(panel: pl.DataFrame, raw: dict[str, pl.DataFrame]) -> None:
    local = panel["time"].dt.convert_time_zone("America/New_York")
    assert set(local.dt.hour()) == {13, 16}
    assert local.dt.date().to_list() == raw["bars_raw"]["date"].to_list()
    black_friday = panel.filter(pl.col("time").dt.date() == date(2015, 11, 27))
    assert black_friday["time"].to_list() == [datetime(2015, 11, 27, 18, tzinfo=UTC)] * 2


def test_vix_at_a_session_is_that_of_the_session_before(panel: pl.DataFrame, raw: dict[str, pl.DataFrame]) -> None:
    vix = dict(raw["vix_raw"].drop_nulls().iter_rows())
    ours = panel.filter((pl.col("entity") == "SP500") & (pl.col("time") >= datetime(2014, 1, 6, tzinfo=UTC)))
    sessions = ours["time"].dt.date().to_list()
    joined = dict(zip(sessions, ours["vix_close"], strict=True))
    assert len(sessions) > 1250
    assert all(joined[today] == vix[before] for before, today in pairwise(sessions))
    assert ours.filter(pl.col("vix_age") < 21).is_empty()  # a half day comes 21 hours after a full one


def test_wti_is_a_week_old(panel: pl.DataFrame, raw: dict[str, pl.DataFrame]) -> None:
    wti = dict(raw["wti_raw"].drop_nulls().iter_rows())
    plain = panel.filter((pl.col("entity") == "SP500") & (pl.col("time").dt.date() == date(2015, 3, 18)))
    assert plain["wti_price"].item() == wti[date(2015, 3, 11)]
    assert plain["wti_age"].item() == 7 * 24
    assert panel["wti_age"].min() >= 7 * 24 - 3


def test_removing_the_future_changes_nothing_before(
    ingest: Any, raw: Any, params: EquityIngestion, panel: pl.DataFrame
) -> None:
    cut = date(2016, 3, 11)
    known = {name: table.filter(pl.col("date") <= cut) for name, table in raw.items()}
    early = ingest(EQUITY, known, {"ingestion": params}).load("panel")
    assert early.equals(panel.filter(pl.col("time").dt.date() <= cut))


def test_a_day_without_trading_stops_the_run(raw: dict[str, pl.DataFrame], params: EquityIngestion) -> None:
    monday = raw["bars_raw"].head(1).with_columns(date=pl.lit(date(1999, 1, 18)))  # Martin Luther King Day
    with pytest.raises(DataError, match=r"1 dates are no sessions of XNYS\n.*\n  found: 1999-01-18"):
        clean(pl.concat([raw["bars_raw"], monday]), params)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"calender": "XNYS"}, "calender"),
        ({"feeds": {"vix": {"latency_sessions": 1}}}, "wti"),
        ({"feeds": {"vix": {}, "wti": {}, "gold": {}}}, "gold"),
    ],
)
def test_a_parameter_that_nobody_reads_is_refused(configured: Any, change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        EquityIngestion.model_validate(configured("equity")["ingestion"] | change)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"quality": {"max_jump": 0.05}}, lambda tables: tables.load("bars")["jump"].sum() > 20),
        ({"feeds": {"vix": {"latency_sessions": 2}}}, lambda tables: tables.load("panel")["vix_age"].min() > 40),
        ({"feeds": {"wti": {"latency_business_days": 9}}}, lambda tables: tables.load("panel")["wti_age"].min() > 250),
        ({"feeds": {"wti": {"max_age": "P7D"}}}, lambda tables: tables.load("panel")["wti_age"].max() <= 168),
    ],
)
def test_every_parameter_is_read(ingest: Any, raw: Any, configured: Any, change: dict[str, Any], found: Any) -> None:
    block = configured("equity")["ingestion"]
    for outer, inner in change.items():
        for name, value in inner.items():
            block[outer][name] = block[outer][name] | value if isinstance(value, dict) else value
    recent = {name: table.filter(pl.col("date") >= date(2008, 1, 2)) for name, table in raw.items()}
    assert found(ingest(EQUITY, recent, {"ingestion": EquityIngestion.model_validate(block)}))


def test_the_calendar_is_read(raw: dict[str, pl.DataFrame], configured: Any) -> None:
    london = EquityIngestion.model_validate(configured("equity")["ingestion"] | {"calendar": "XLON"})
    with pytest.raises(DataError, match="no sessions of XLON"):
        clean(raw["bars_raw"], london)


def test_bad_rows_of_an_index_are_set_aside(raw: dict[str, pl.DataFrame], params: EquityIngestion) -> None:
    dead = pl.col("date") == date(2008, 9, 15)
    broken = raw["bars_raw"].with_columns(close=pl.when(dead).then(float("nan")).otherwise("close"))
    bars, quarantine, checks = clean(broken, params)
    assert len(bars) == 10_060
    assert quarantine["time"].unique().to_list() == [datetime(2008, 9, 15, 20, tzinfo=UTC)]
    assert checks["counts"] == {"close_not_finite": 2}


def test_bad_days_of_a_feed_are_set_aside_with_their_source(ingest: Any, raw: Any, params: EquityIngestion) -> None:
    recent = {name: table.filter(pl.col("date") >= date(2014, 1, 3)) for name, table in raw.items()}
    day = recent["vix_raw"].filter(pl.col("date") == date(2015, 3, 11))
    again = pl.concat([recent["vix_raw"], day.with_columns(pl.col("value") + 1)])
    tables = ingest(EQUITY, recent | {"vix_raw": again}, {"ingestion": params})
    quarantine = tables.load("quarantine")
    Quarantine.validate(quarantine)
    assert quarantine.select("entity", "time", "date", "reason", "source", "close").rows() == [
        ("*", None, date(2015, 3, 11), "conflicting_duplicate", "equity.vix_raw", day["value"].item() + 1)
    ]
    assert tables.load("quality")["vix"]["quarantined"] == 1


def test_four_hundred_real_shares_come_in(shared_data: Path, params: EquityIngestion) -> None:
    layout = {
        "columns": {"entity": ["symbol"], "date": []} | dict.fromkeys(PRICES, ()),
        "required": ["entity", "date", *PRICES],
    }
    source = Folder(filepath=str(shared_data / "equity_daily"), files="prices_daily.parquet", **layout)
    bars, quarantine, checks = clean(source.load(), params)
    Bars.validate(bars)
    assert checks["rows_out"] == 769_017
    assert quarantine.is_empty()
    assert checks["counts"]["open_not_positive"] == 415
    reverse_split = bars.filter((pl.col("entity") == "C") & (pl.col("time").dt.date() == date(2011, 5, 9)))
    assert reverse_split["jump"].item()
    assert bars["time"].max() - bars["time"].min() > timedelta(days=2800)
