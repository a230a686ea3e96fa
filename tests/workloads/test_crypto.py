import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from kedro.io import DataCatalog, DatasetError
from pydantic import ValidationError

from assay.datasets.contracts import Bars, Feed, Panel, Quarantine
from assay.market.errors import DataError
from assay.market.plan import Learning
from assay.market.simulator import MarketRule, simulate
from assay.market.splits import plan_folds
from assay.market.timeline import FeedRule, stamp_feed
from assay.market.trading import BacktestRule
from assay.workloads.crypto.ingestion import CryptoIngestion, check_funding, clean
from assay.workloads.crypto.workload import CRYPTO

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FREE = BacktestRule.model_validate({"costs": {"fee_bp": 5, "half_spread_bp": 1}})
REQUIRED = FREE.model_copy(update={"funding": FREE.funding.model_copy(update={"kind": "required"})})
FEEDS = {"funding": {"rate": pl.Float64}, "open_interest": {"value": pl.Float64, "amount": pl.Float64}}


def market(rows: int = 48) -> pl.DataFrame:
    """Hourly bars of one symbol, stamped with their open, without any change."""
    times = [START + n * HOUR for n in range(rows)]
    prices = dict.fromkeys(("open", "high", "low", "close"), [100.0] * rows)
    return pl.DataFrame({"entity": ["BTC"] * rows, "time": times, **prices, "volume": [1.0] * rows})


def feed(name: str, hours: list[float], number: float = 0.5) -> pl.DataFrame:
    times = [START + hour * HOUR for hour in hours]
    rows = {"entity": ["BTC"] * len(hours), "time": times} | {value: [number] * len(hours) for value in FEEDS[name]}
    return pl.DataFrame(rows, schema={"entity": pl.String, "time": pl.Datetime("us", "UTC")} | FEEDS[name])


@pytest.fixture(scope="module")
def run(ingest: Any, configured: Any) -> Any:
    """Runs the ingestion with some feeds and some changed parameters."""

    def build(
        bars: pl.DataFrame, backtest: BacktestRule = FREE, *, change: Any = None, **feeds: pl.DataFrame
    ) -> DataCatalog:
        raw = {"bars_raw": bars} | {f"{name}_raw": feeds.get(name, feed(name, [])) for name in FEEDS}
        params = CryptoIngestion.model_validate(configured("crypto")["ingestion"] | (change or {}))
        found: DataCatalog = ingest(CRYPTO, raw, {"ingestion": params, "backtest": backtest, "learning": Learning()})
        return found

    return build


# --- small markets ----------------------------------------------------------------------------------------------------


def test_a_bar_is_known_at_its_close(run: Any) -> None:
    assert run(market())["bars"].load()["time"].to_list() == [START + (n + 1) * HOUR for n in range(48)]


def test_bars_stamped_with_their_close_stay_where_they_are(run: Any) -> None:
    bars = run(market(), change={"stamp": "close"})["bars"].load()
    assert bars["time"].to_list() == market()["time"].to_list()


def test_the_length_of_a_bar_can_be_declared(configured: Any) -> None:
    block = configured("crypto")["ingestion"]
    single, _, _ = clean(market(1), CryptoIngestion.model_validate(block | {"interval": "PT4H"}))
    assert single["time"].item() == START + 4 * HOUR
    with pytest.raises(DataError, match="the length of a bar cannot be inferred"):
        clean(market(1), CryptoIngestion.model_validate(block))


def test_a_settlement_is_used_from_the_next_bar_on(run: Any) -> None:
    exact, late = feed("funding", [8]), feed("funding", [8 + 7e-3 / 3600])
    for funding in (exact, late):  # stamped at the hour, and seven milliseconds after it
        panel = run(market(12), funding=funding)["panel"].load()
        assert panel.filter(pl.col("funding_rate").is_not_null())["time"][0] == START + 9 * HOUR


def test_open_interest_of_unknown_delay_is_used_a_bar_later(run: Any) -> None:
    panel = run(market(12), open_interest=feed("open_interest", [8]))["panel"].load()
    first = panel.filter(pl.col("open_interest_amount").is_not_null()).row(0, named=True)
    assert first["time"] == START + 10 * HOUR  # known at 9:00 at best, and a tie does not count
    assert (first["open_interest_value"], first["open_interest_amount"], first["open_interest_age"]) == (0.5, 0.5, 2)


def test_feeds_that_are_not_there_are_named(run: Any) -> None:
    tables = run(market())
    assert tables["panel"].load().columns == tables["bars"].load().columns
    Feed.validate(tables["funding"].load())
    Feed.validate(tables["open_interest"].load())
    notes = tables["quality"].load()["notes"]
    assert "There are no rows of funding in these data: features that need them are left out." in notes
    assert "There are no rows of open interest in these data: features that need them are left out." in notes
    assert "No funding is charged." in notes


def test_feeds_that_are_there_are_counted(run: Any) -> None:
    funding = feed("funding", [0, 8, 8, 16, 24, 32, 40])
    quality = run(market(), REQUIRED, funding=funding)["quality"].load()
    assert quality["funding"]["counts"] == {"duplicate": 1}
    assert quality["funding"]["entities_covered"] == 1
    assert not any("rows of funding" in note for note in quality["notes"])
    assert any("known settlements of 1 of 1" in note for note in quality["notes"])


def test_required_funding_that_is_not_known_stops_the_run_before_any_fit(run: Any) -> None:
    with pytest.raises(DataError, match=r"funding settlements: required, but not known for all bars"):
        run(market(), REQUIRED)


def test_funding_is_required_only_where_the_backtest_trades(run: Any) -> None:
    first, second = [*range(0, 48, 8)], [*range(48, 97, 8)]
    assert run(market(96), REQUIRED, funding=feed("funding", second))["funding_terms"].load()["note"]
    with pytest.raises(DataError, match="not covered: BTC"):
        run(market(96), REQUIRED, funding=feed("funding", first))


def test_funding_is_asked_for_from_the_first_test_fold_on() -> None:
    """With 47 bars half of them are 23.5, and the split rounds that up."""
    bars, learning = market(47).with_columns(jump=pl.lit(value=False)), Learning()
    first = plan_folds(bars.with_columns(label=pl.lit(0), label_end="time"), learning.splits)[0].test_start
    assert first == START + 24 * HOUR
    known = stamp_feed(feed("funding", [*range(27, 48)]), FeedRule(latency=timedelta(0)), bar=HOUR)
    assert check_funding(bars, known, REQUIRED, learning)["note"]  # the longest hole that is accepted
    with pytest.raises(DataError, match="not covered: BTC"):
        check_funding(bars, known[1:], REQUIRED, learning)


def test_the_universe_is_not_said_to_be_complete(run: Any) -> None:
    assert any("survivorship" in note and "upper bound" in note for note in run(market())["quality"].load()["notes"])


def test_rows_of_a_feed_that_are_set_aside_are_kept_with_their_source(run: Any) -> None:
    settled = [*range(0, 48, 8), 8]
    funding = feed("funding", settled).with_columns(rate=pl.Series([0.5] * 6 + [0.7]))
    bars = market().with_columns(close=pl.when(pl.int_range(pl.len()) == 5).then(0.0).otherwise("close"))
    tables = run(bars, funding=funding, change={"quality": {"max_bad_share": 0.2}})
    quarantine = tables["quarantine"].load()
    Quarantine.validate(quarantine)
    Quarantine.validate(tables["open_interest_quarantine"].load())
    assert quarantine.select("entity", "time", "reason", "source", "rate").rows() == [
        ("BTC", START + 6 * HOUR, "close_not_positive", "crypto.bars_raw", None),
        ("BTC", START + 8 * HOUR, "conflicting_duplicate", "crypto.funding_raw", 0.7),
    ]
    quality = tables["quality"].load()
    assert [quality[name]["quarantined"] for name in ("bars", "funding", "open_interest")] == [1, 1, 0]
    assert tables["funding"].load()["rate"].to_list() == [0.5] * 6


def test_the_jump_limit_is_read(run: Any) -> None:
    doubled = market().with_columns(
        pl.when(pl.int_range(pl.len()) > 9).then(2 * pl.col(c)).otherwise(c).alias(c)
        for c in ("open", "high", "low", "close")
    )
    assert "jump" not in run(doubled)["quality"].load()["bars"]["counts"]
    strict = run(doubled, change={"quality": {"max_jump": 0.5}})
    assert strict["quality"].load()["bars"]["counts"] == {"jump": 1}


def three(rows: int = 96) -> pl.DataFrame:
    """Three symbols; the last one ends halfway."""
    bars = [market(rows).with_columns(entity=pl.lit(entity)) for entity in ("ADA", "BTC", "ETH")]
    return pl.concat([*bars[:2], bars[2].head(rows // 2)])


def test_only_the_symbols_asked_for_are_looked_at(run: Any) -> None:
    funding = pl.concat([feed("funding", [*range(0, 97, 8)]).with_columns(entity=pl.lit(e)) for e in ("ADA", "BTC")])
    tables = run(three(), funding=funding, change={"symbols": ["BTC", "ETH"]})
    assert tables["bars"].load()["entity"].unique().sort().to_list() == ["BTC", "ETH"]
    assert tables["funding"].load()["entity"].unique().to_list() == ["BTC"]
    quality = tables["quality"].load()
    assert quality["bars"]["left_out"] == 96
    assert "Asked for are BTC, ETH: 96 bars of the data are left out." in quality["notes"]


def test_facts_about_everyone_and_faulty_rows_are_not_left_out(run: Any) -> None:
    everyone = feed("funding", [8]).with_columns(entity=pl.lit("*"))
    nameless = market(1).with_columns(entity=pl.lit(None, pl.String), time=pl.lit(START - HOUR))
    bars = pl.concat([three(), nameless])
    change = {"symbols": ["BTC"], "days": 1, "quality": {"max_bad_share": 0.2}}
    tables = run(bars, funding=everyone, change=change)
    assert tables["funding"].load().height == 1
    tables = run(bars, change=change | {"days": 100})
    assert tables["quality"].load()["bars"]["counts"] == {"entity_missing": 1}


def test_only_the_newest_days_are_looked_at(run: Any) -> None:
    tables = run(three(), change={"days": 2})
    last = START + 96 * HOUR
    assert tables["bars"].load()["time"].unique().sort().to_list() == [last - n * HOUR for n in range(47, -1, -1)]
    assert tables["bars"].load()["entity"].unique().sort().to_list() == ["ADA", "BTC"]
    assert "Asked for are the newest 2 days: 144 bars of the data are left out." in tables["quality"].load()["notes"]
    of_one = run(three(), change={"days": 1, "symbols": ["ETH"]})["bars"].load()  # counted from its own last bar
    assert of_one["time"].max() == START + 48 * HOUR
    assert of_one.height == 24


def test_without_a_choice_nothing_is_said_about_it(run: Any) -> None:
    quality = run(three())["quality"].load()
    assert "left_out" not in quality["bars"]
    assert not any("Asked for" in note for note in quality["notes"])


def test_a_symbol_that_is_not_there_is_an_error(run: Any) -> None:
    match = r"symbols BTCUSD, XRP: are not in the data\n  expected: some of BTC\n  found: 3 symbols\n  what to do: name"
    with pytest.raises(DataError, match=match):
        run(three(), change={"symbols": ["ETH", "BTCUSD", "XRP"]})
    with pytest.raises(DataError, match="expected: some of ADA, BTC, ETH"):
        run(three(), change={"symbols": ["QQQQ"]})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"stamp": "middle"}, "stamp"),
        ({"symbols": []}, "symbols"),
        ({"days": 0}, "days"),
        ({"interval": "-PT1H"}, "interval"),
        ({"feed": {}}, "feed"),
        ({"feeds": {}}, "funding"),
    ],
)
def test_an_impossible_parameter_is_refused(configured: Any, change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        CryptoIngestion.model_validate(configured("crypto")["ingestion"] | change)


def test_removing_the_future_changes_nothing_before(run: Any) -> None:
    moving = market().with_columns(close=100 + pl.int_range(pl.len()) % 5, high=pl.lit(110.0))
    funding, interest = feed("funding", [0, 8, 16, 24, 32, 40]), feed("open_interest", [4, 12, 20, 28, 36, 44])
    late = run(moving, funding=funding, open_interest=interest)["panel"].load()
    cut = START + 30 * HOUR
    known = {"funding": funding.filter(pl.col("time") <= cut), "open_interest": interest.filter(pl.col("time") <= cut)}
    early = run(moving.filter(pl.col("time") < cut), **known)["panel"].load()
    assert early.equals(late.filter(pl.col("time") <= cut))


# --- a mock market ----------------------------------------------------------------------------------------------------


def test_a_mock_market_comes_in_whole_and_its_signal_can_be_seen(run: Any) -> None:
    mock = simulate(MarketRule(bars=600, ic=0.1, revisions=0.0))
    tables = run(mock.bars, REQUIRED, funding=mock.funding, open_interest=mock.open_interest)
    panel, quality = tables["panel"].load(), tables["quality"].load()
    Panel.validate(panel)
    assert {name: quality[name]["counts"] for name in FEEDS} == {"funding": {}, "open_interest": {}}
    assert quality["bars"] == {
        "rows_in": mock.bars.height,
        "rows_out": mock.bars.height,
        "quarantined": 0,
        "counts": {},
    }
    assert panel.select("entity", "time").equals(mock.truth.select("entity", "time"))
    told = panel.join(mock.truth, on=["entity", "time"]).filter(pl.col("entity") == "MOCK2").drop_nulls()
    x = np.column_stack([told["funding_rate"], told["open_interest_amount"].log(), np.ones(told.height)])
    fitted, *_ = np.linalg.lstsq(x, told["signal"].to_numpy(), rcond=None)
    assert np.corrcoef(x @ fitted, told["signal"].to_numpy())[0, 1] > 0.99999
    assert told["funding_age"].unique().to_list() == told["open_interest_age"].unique().to_list() == [1.0]


def test_gaps_late_facts_and_revisions_of_a_mock_market_come_in(run: Any) -> None:
    mock = simulate(MarketRule(bars=600, gaps=0.02, late=0.05, revisions=0.05))
    tables = run(mock.bars, REQUIRED, funding=mock.funding, open_interest=mock.open_interest)
    Panel.validate(tables["panel"].load())
    assert tables["funding"].load().height == mock.funding.height
    assert 1 < tables["quality"].load()["funding"]["age_hours"]["max"] <= 20


# --- where the data come from -----------------------------------------------------------------------------------------


def test_without_files_the_data_are_those_of_one_mock_market(sources: Any) -> None:
    catalog = sources("base")
    expected = simulate(catalog.get("crypto.bars_raw")._rule)
    assert expected.rule.ic > 0
    assert catalog.load("crypto.bars_raw").equals(expected.bars)
    assert catalog.load("crypto.funding_raw").equals(expected.funding)
    assert catalog.load("crypto.open_interest_raw").equals(expected.open_interest)


def test_the_mock_market_can_be_changed_from_the_command_line(sources: Any) -> None:
    asked = {"mock_symbols": 4, "mock_bars": 50, "mock_form": "regime", "mock_ic": 0.0, "mock_seed": 3}
    catalog = sources("base", **asked)
    rule = MarketRule(symbols=4, bars=50, form="regime", ic=0.0, seed=3)
    assert catalog.load("crypto.bars_raw").equals(simulate(rule).bars)
    assert {catalog.get(f"crypto.{name}_raw")._rule for name in ("bars", *FEEDS)} == {rule}


def test_without_a_folder_the_environment_asks_for_one(sources: Any) -> None:
    with pytest.raises(DatasetError, match=r"DATA_DIR_NOT_GIVEN: is no folder\n.*\n.*--params data_dir=DIR"):
        sources("files").load("crypto.bars_raw")


def test_the_documented_folder_is_read_without_further_words(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    market().drop("entity").write_csv(tmp_path / "bars" / "BTC.csv")
    feed("funding", [8]).rename({"rate": "fundingRate", "time": "fundingTime"}).write_parquet(
        tmp_path / "funding.parquet"
    )
    catalog = sources("files", data_dir=str(tmp_path))
    assert catalog.load("crypto.bars_raw")["entity"].unique().to_list() == ["BTC"]
    assert catalog.load("crypto.funding_raw")["rate"].to_list() == [0.5]
    assert catalog.load("crypto.open_interest_raw").is_empty()


# --- real perpetuals --------------------------------------------------------------------------------------------------

LONG = {"bars": "klines_4h_2020_2026.parquet", "funding": "btc_funding_8h_2022_2026.parquet", "open_interest": "none"}
WIDE = {"bars": "klines_1h.parquet", "funding": "funding_8h.parquet", "open_interest": "open_interest_4h.parquet"}


def load(sources: Any, folder: Path, files: dict[str, str]) -> dict[str, pl.DataFrame]:
    catalog = sources("files", data_dir=str(folder), **files)
    return {name: catalog.load(f"crypto.{name}_raw") for name in ("bars", "funding", "open_interest")}


def test_six_years_of_twelve_perpetuals_come_in_within_seconds(run: Any, sources: Any, shared_data: Path) -> None:
    begin = time.perf_counter()
    raw = load(sources, shared_data / "crypto_perp_binance", LONG)
    tables = run(raw.pop("bars"), **raw)
    assert time.perf_counter() - begin < 10
    quality = tables["quality"].load()
    Panel.validate(tables["panel"].load())
    assert quality["bars"] == {"rows_in": 155_000, "rows_out": 155_000, "quarantined": 0, "counts": {}}
    assert len(quality["entities"]) == 12
    assert quality["funding"]["entities_covered"] == 1
    assert quality["funding"]["age_hours"]["max"] <= 48
    assert tables["bars"].load()["time"].min() == datetime(2020, 1, 1, 4, tzinfo=UTC)
    assert "open_interest_age" not in tables["panel"].load().columns


def test_thirty_perpetuals_come_in_with_funding_and_open_interest(run: Any, sources: Any, shared_data: Path) -> None:
    raw = load(sources, shared_data / "crypto_perp_binance", WIDE)
    tables = run(raw.pop("bars"), **raw)
    panel, quality = tables["panel"].load(), tables["quality"].load()
    Bars.validate(tables["bars"].load())
    Panel.validate(panel)
    assert quality["bars"]["rows_out"] == 134_035
    assert quality["funding"]["entities_covered"] == quality["open_interest"]["entities_covered"] == 30
    assert panel.filter(pl.col("open_interest_age") <= 1).is_empty()  # one bar, and no ties
    assert panel.filter(pl.col("funding_age") <= 0).is_empty()


def test_required_funding_of_one_symbol_in_twelve_is_an_error(run: Any, sources: Any, shared_data: Path) -> None:
    raw = load(sources, shared_data / "crypto_perp_binance", LONG)
    with pytest.raises(DataError, match=r"not covered: ADAUSDT .*; and 6 more"):
        run(raw.pop("bars"), REQUIRED, **raw)
