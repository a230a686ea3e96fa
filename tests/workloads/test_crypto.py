import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.io import DataCatalog, DatasetError
from pydantic import ValidationError

from assay.datasets.contracts import Bars, Feed, Panel, Quarantine
from assay.market.errors import DataError
from assay.market.plan import Learning
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


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"stamp": "middle"}, "stamp"),
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


# --- where the data come from -----------------------------------------------------------------------------------------


def test_without_data_the_workload_says_what_it_needs(
    sources: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = (
        r"is no folder\n.*\n  what to do: the crypto workload needs files of your own: run "
        r"`kedro run --pipelines crypto --env files --params data_dir=DIR` or `assay run crypto --data DIR`"
    )
    with pytest.raises(DatasetError, match=wanted):
        sources("base").load("crypto.bars_raw")


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


def test_both_environments_read_the_same_columns(sources: Any) -> None:
    for name in ("bars_raw", "funding_raw", "open_interest_raw"):
        base, files = (sources(env).get(f"crypto.{name}")._layout for env in ("base", "files"))
        assert base.model_copy(update={"help": None}) == files.model_copy(update={"help": None})


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
