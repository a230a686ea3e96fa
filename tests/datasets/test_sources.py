import gzip
import logging
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.io import DataCatalog, DatasetError

from assay.datasets.sources import ArchIndices, ArchSeries, Folder
from assay.market.errors import DataError
from assay.market.quality import QualityRule, clean_bars
from assay.market.tables import RAW_TYPES

NOON = datetime(2024, 3, 28, 12, tzinfo=UTC)
COLUMNS = {
    "entity": ["symbol"],
    "time": ["open_time", "timestamp"],
    "open": [],
    "high": [],
    "low": [],
    "close": ["c"],
    "volume": ["vol"],
    "trades": [],
}
REQUIRED = ["entity", "time", "open", "high", "low", "close", "volume"]


def bars(rows: int = 3, **columns: Any) -> pl.DataFrame:
    """Bars as a user has them: one an hour."""
    usual = {
        "symbol": ["BTCUSDT"] * rows,
        "open_time": [NOON + timedelta(hours=n) for n in range(rows)],
        "open": [100.0] * rows,
        "high": [110.0] * rows,
        "low": [90.0] * rows,
        "close": [105.0] * rows,
        "volume": [5.0] * rows,
    }
    return pl.DataFrame(usual).with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def folder(path: Path, files: str | list[str] | None = "bars*", **layout: Any) -> Folder:
    layout = {"columns": COLUMNS, "required": REQUIRED, "help": "read the manual"} | layout
    return Folder(filepath=str(path), files=files, **layout)


Write = Callable[[pl.DataFrame, Path], object]
WRITERS: dict[str, Write] = {
    "bars.parquet": lambda frame, path: frame.write_parquet(path),
    "bars.csv": lambda frame, path: frame.write_csv(path),
    "bars.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv().encode())),
}


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_is_read_into_one_typed_table(tmp_path: Path, name: str) -> None:
    WRITERS[name](bars(trades=[1, 2, 3]).rename({"close": "C", "volume": "Vol"}), tmp_path / name)
    found = folder(tmp_path).load()
    assert found.equals(bars(trades=[1.0, 2.0, 3.0]).rename({"symbol": "entity", "open_time": "time"}))
    assert found.schema == {name: RAW_TYPES.get(name, pl.Float64()) for name in COLUMNS}


def test_files_are_put_together_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    bars(1, symbol=["B"]).write_csv(tmp_path / "bars" / "2.csv")
    bars(1, symbol=["A"], trades=[7]).write_parquet(tmp_path / "bars" / "10.parquet")
    (tmp_path / "bars" / "notes.txt").write_text("not mine")
    found = folder(tmp_path, ["bars*", "bars/*"]).load()
    assert found.select("entity", "trades").rows() == [("A", 7), ("B", None)]


@pytest.mark.parametrize(
    "name", ["BTCUSDT.parquet", "bars_BTCUSDT.parquet", "BTCUSDT_4h.parquet", "BTCUSDT-1h-2023.parquet"]
)
def test_a_file_without_a_symbol_column_has_it_in_its_name(tmp_path: Path, name: str) -> None:
    bars().drop("symbol").write_parquet(tmp_path / name)
    assert folder(tmp_path, "*").load()["entity"].unique().to_list() == ["BTCUSDT"]


def test_the_symbol_in_a_name_can_be_described(tmp_path: Path) -> None:
    bars().drop("symbol").write_parquet(tmp_path / "2023-ETH.parquet")
    assert folder(tmp_path, "*", symbol_in_name=r"-(\w+)$").load()["entity"][0] == "ETH"


def test_extra_columns_are_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bars(colour=["red"] * 3, mood=[1, 2, 3]).write_parquet(tmp_path / "bars.parquet")
    with caplog.at_level(logging.INFO, logger="assay"):
        assert "colour" not in folder(tmp_path).load().columns
    assert "bars.parquet: 2 columns are not used: colour, mood" in caplog.text


def test_a_table_may_have_dates_instead_of_times(tmp_path: Path) -> None:
    frame = bars().with_columns(open_time=pl.col("open_time").dt.date()).rename({"open_time": "date"})
    frame.write_csv(tmp_path / "bars.csv")
    found = folder(tmp_path, columns=COLUMNS | {"date": []}, required=["entity", "date", "close"]).load()
    assert found["date"].to_list() == [date(2024, 3, 28)] * 3


def test_a_source_that_is_optional_may_have_no_files(tmp_path: Path) -> None:
    for files in ("bars*", "none", None):
        found = folder(tmp_path, files, optional=True).load()
        assert found.is_empty()
        assert found.schema == {name: RAW_TYPES.get(name, pl.Float64()) for name in COLUMNS}


def test_declared_zones_are_used(tmp_path: Path) -> None:
    bars().with_columns(pl.col("open_time").dt.replace_time_zone(None)).write_parquet(tmp_path / "bars.parquet")
    assert folder(tmp_path, timezone="UTC").load()["time"][0] == NOON


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(source: Folder) -> str:
    with pytest.raises(DatasetError) as error:
        DataCatalog({"crypto.bars_raw": source}).load("crypto.bars_raw")
    message = str(error.value)
    assert message.startswith("crypto.bars_raw: ")
    assert "\n  expected: " in message
    return message


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    message = refused(folder(tmp_path / "nowhere"))
    assert "nowhere: is no folder\n" in message
    assert "\n  what to do: read the manual" in message


def test_missing_files_are_an_error_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "klines.parquet").touch()
    message = refused(folder(tmp_path, ["bars*", "bars/*"]))
    assert "files 'bars*, bars/*': are missing\n" in message
    assert "\n  found: klines.parquet\n  what to do: read the manual" in message


def test_a_folder_that_is_called_like_a_file_is_told_from_one(tmp_path: Path) -> None:
    (tmp_path / "bars.parquet").mkdir()
    assert "\n  found: bars.parquet/\n" in refused(folder(tmp_path))


def test_bars_cannot_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "bars.parquet").touch()
    assert "files 'none': are missing\n" in refused(folder(tmp_path, "none"))


@pytest.mark.parametrize("name", ["bars_4h.parquet", "notes.txt"])
def test_a_named_file_must_be_there_even_if_the_source_is_optional(tmp_path: Path, name: str) -> None:
    (tmp_path / "bars_1h.parquet").touch()
    (tmp_path / "notes.txt").touch()
    assert f"files '{name}': are missing\n" in refused(folder(tmp_path, [name, "bars*"], optional=True))


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    bars().drop("volume").write_parquet(tmp_path / "bars.parquet")
    message = refused(folder(tmp_path))
    assert (
        "bars.parquet, column 'volume': is missing\n  expected: one of vol, volume\n  found: symbol, open_time"
        in message
    )


def test_a_file_without_any_symbol_is_an_error(tmp_path: Path) -> None:
    bars().drop("symbol").write_parquet(tmp_path / "bars.parquet")
    message = refused(folder(tmp_path))
    assert "bars.parquet, column 'entity': is missing, and the file name holds no symbol\n" in message
    assert "expected: one of symbol; or a file name such as BTCUSDT.parquet" in message


def test_a_wrong_type_is_an_error(tmp_path: Path) -> None:
    bars(close=["1", "dear", "2"]).write_csv(tmp_path / "bars.csv")
    message = refused(folder(tmp_path))
    assert "bars.csv, column 'close': wrong type\n  expected: numbers\n  found: 'dear' in row 2" in message


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_naive_times_are_an_error(tmp_path: Path, name: str) -> None:
    WRITERS[name](bars().with_columns(pl.col("open_time").dt.replace_time_zone(None)), tmp_path / name)
    message = refused(folder(tmp_path))
    assert f"{name}, column 'open_time': times have no time zone\n" in message
    assert "timezone: UTC" in message


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_without_rows_is_an_error(tmp_path: Path, name: str) -> None:
    WRITERS[name](bars(0), tmp_path / name)
    assert f"{name}: has no rows\n" in refused(folder(tmp_path))


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_without_bytes_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert f"{name}: is empty\n" in refused(folder(tmp_path))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_parquet_file_is_an_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / "bars.parquet"
    bars(2000).write_parquet(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert (
        "bars.parquet: cannot be read\n  expected: a whole Parquet file, or CSV in UTF-8 with commas\n  found: "
        in refused(folder(tmp_path))
    )


@pytest.mark.parametrize("content", [b"a,b\n1,2,3\n", b"\xff\xfe\x00a,b"], ids=["ragged", "binary"])
def test_an_unreadable_csv_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bars.csv").write_bytes(content)
    message = refused(folder(tmp_path))
    assert "bars.csv: cannot be read\n" in message or "bars.csv, column 'time': is missing" in message


def test_an_unknown_setting_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="colums\n  Extra inputs are not permitted"):
        folder(tmp_path, colums={})


def test_a_source_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is a source and cannot be written"):
        folder(tmp_path).save(bars())


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_than_commas_are_named(tmp_path: Path, separator: str) -> None:
    bars().write_csv(tmp_path / "bars.csv", separator=separator)
    assert f"bars.csv: is not separated by commas\n  expected: commas\n  found: symbol{separator}" in refused(
        folder(tmp_path)
    )


def test_a_line_with_too_many_fields_is_an_error_in_one_line(tmp_path: Path) -> None:
    bars().write_csv(tmp_path / "bars.csv")
    with (tmp_path / "bars.csv").open("a") as file:
        file.write("BTCUSDT,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n")
    assert re.search(
        r"bars.csv: cannot be read\n  expected: .*\n  found: .*\n  what to do: ", refused(folder(tmp_path))
    )


def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bars.csv").touch()

    def forbidden(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DataError, match=r"bars.csv: cannot be read\n  found: .*denied.*\n  what to do: check its perm"):
        folder(tmp_path).fingerprint()


# --- from a bad file to the count of what was wrong ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
@pytest.mark.parametrize(
    ("column", "value", "count"),
    [
        ("close", float("nan"), "close_not_finite"),
        ("close", float("inf"), "close_not_finite"),
        ("close", 0.0, "close_not_positive"),
        ("close", -5.0, "close_not_positive"),
        ("close", None, "close_missing"),
        ("low", 120.0, "high_below_low"),
        ("volume", -1.0, "volume_negative"),
    ],
)
def test_a_bad_value_in_a_file_is_counted(
    tmp_path: Path, name: str, column: str, value: float | None, count: str
) -> None:
    good = bars(200)
    bad = good.with_columns(pl.when(pl.int_range(200) == 7).then(pl.lit(value)).otherwise(column).alias(column))
    WRITERS[name](bad, tmp_path / name)
    cleaned = clean_bars(folder(tmp_path).load(), QualityRule(), source="crypto.bars_raw")
    assert cleaned.counts == {count: 1}
    assert len(cleaned.bars) + len(cleaned.quarantine) == 200


def test_files_that_overlap_are_put_together_and_counted(tmp_path: Path) -> None:
    bars(150).write_parquet(tmp_path / "bars_1.parquet")
    bars(200).write_parquet(tmp_path / "bars_2.parquet")
    bars(2)[1:].with_columns(close=99.0).write_csv(tmp_path / "bars_3.csv")
    cleaned = clean_bars(folder(tmp_path).load(), QualityRule(), source="crypto.bars_raw")
    assert cleaned.counts == {"duplicate": 150, "conflicting_duplicate": 1, "unsorted": 2}
    assert cleaned.quarantine["close"].to_list() == [99]


# --- identity and preview ---------------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_names_and_bytes(tmp_path: Path) -> None:
    prints = set()
    for content in (b"1", b"1", b"2"):
        (tmp_path / "bars.csv").write_bytes(content)
        prints.add(folder(tmp_path).fingerprint())
    (tmp_path / "bars.csv").rename(tmp_path / "bars2.csv")
    prints.add(folder(tmp_path).fingerprint())
    (tmp_path / "other.csv").write_bytes(b"3")
    prints.add(folder(tmp_path).fingerprint())
    assert len(prints) == 3


def test_a_fingerprint_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        bars().write_csv(place / "bars.csv")
    assert folder(places[0]).fingerprint() == folder(places[1]).fingerprint()


def test_a_source_exists_if_it_has_files(tmp_path: Path) -> None:
    assert not folder(tmp_path / "nowhere").exists()
    assert not folder(tmp_path).exists()
    bars().write_csv(tmp_path / "bars.csv")
    assert folder(tmp_path).exists()


def test_the_preview_is_text(tmp_path: Path) -> None:
    bars(9, trades=[None] * 9).write_parquet(tmp_path / "bars.parquet")
    preview = folder(tmp_path).preview(2)
    assert preview["columns"] == list(COLUMNS)
    assert preview["index"] == [0, 1]
    assert preview["data"][0][:3] == ["BTCUSDT", "2024-03-28 12:00:00+00:00", "100.0"]
    assert preview["data"][0][-1] == ""
    assert Folder.preview.__annotations__["return"].__name__ == "TablePreview"  # what Kedro-Viz looks for


# --- data inside a dependency -----------------------------------------------------------------------------------------


def test_the_indices_are_those_of_the_package() -> None:
    from arch.data import nasdaq, sp500

    found = ArchIndices().load()
    assert found.schema == {"entity": pl.String, "date": pl.Date} | dict.fromkeys(
        ("open", "high", "low", "close", "volume"), pl.Float64
    )
    for entity, package in (("NASDAQ", nasdaq), ("SP500", sp500)):
        raw = package.load()
        mine = found.filter(pl.col("entity") == entity)
        assert mine["date"].to_list() == [stamp.date() for stamp in raw.index]
        for column in ("Open", "High", "Low", "Close", "Volume"):
            assert mine[column.lower()].to_list() == raw[column].tolist()


@pytest.mark.parametrize(("series", "column"), [("vix", "vix"), ("wti", "DCOILWTICO")])
def test_the_series_are_those_of_the_package(series: Any, column: str) -> None:
    from importlib import import_module

    raw = import_module(f"arch.data.{series}").load()[column]
    found = ArchSeries(series=series).load()
    assert found.schema == {"date": pl.Date, "value": pl.Float64}
    assert found["date"].to_list() == [stamp.date() for stamp in raw.index]
    assert found["value"].to_list() == [None if value != value else value for value in raw]


@pytest.mark.parametrize(
    ("start", "end", "days"), [("2018-12-24", None, 5), (None, date(1999, 1, 6), 3), ("2000-01-03", "2000-01-05", 3)]
)
def test_a_span_can_be_cut_out(start: Any, end: Any, days: int) -> None:
    assert len(ArchIndices(start=start, end=end).load()) == 2 * days
    assert len(ArchSeries(series="wti", start="2018-12-24", end="2018-12-26").load()) == 3


def test_the_data_of_the_package_have_a_fingerprint() -> None:
    prints = {
        ArchIndices().fingerprint(),
        ArchSeries(series="vix").fingerprint(),
        ArchSeries(series="wti").fingerprint(),
    }
    assert len(prints) == 3
    assert ArchIndices().fingerprint() in prints


def test_an_unknown_series_is_an_error() -> None:
    with pytest.raises(DataError, match="series 'gold': is not in the package arch"):
        ArchSeries(series="gold")  # type: ignore[arg-type]
