"""The mock market as a source of the catalog."""

from typing import Any

import pytest
from kedro.io import DataCatalog, DatasetError

from assay.datasets.mock import MockMarket
from assay.hooks.evidence import Fingerprints
from assay.market.errors import ConfigurationError
from assay.market.simulator import MarketRule, simulate

SMALL = {"symbols": 3, "bars": 60, "ic": 0.1}
TABLES = ("bars", "funding", "open_interest")


def entry(table: str, **market: Any) -> dict[str, Any]:
    return {"type": "assay.datasets.mock.MockMarket", "table": table, "market": SMALL | market}


def catalog(**market: Any) -> DataCatalog:
    return DataCatalog.from_config({f"toy.{table}_raw": entry(table, **market) for table in TABLES})


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_that_of_the_market(table: str) -> None:
    expected = getattr(simulate(MarketRule(**SMALL)), table)
    assert catalog().load(f"toy.{table}_raw").equals(expected)
    assert catalog().load(f"toy.{table}_raw").equals(expected)  # as often as asked


def test_without_arguments_it_is_the_default_market() -> None:
    assert MockMarket(table="bars").load().equals(simulate(MarketRule()).bars)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"table": "trades"}, "table 'trades': is none of a mock market\n  expected: bars, funding, open_interest"),
        (
            {"table": "bars", "market": {"ic": 2}},
            "parameter 'ic': Input should be less than 1\n  found: 2\n  what to do: ",
        ),
        ({"table": "bars", "market": {"form": "foo"}}, "parameter 'form': .*'regime'.*\n  found: foo"),
        ({"table": "bars", "market": {"edge": 0.1}}, "parameter 'edge'"),
        ({"table": "bars", "market": {"symbols": 2}}, "mock market: 1 late listings .* leave none of 2 symbols"),
    ],
)
def test_wrong_arguments_are_refused_before_a_run(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        DataCatalog.from_config({"x": {"type": "assay.datasets.mock.MockMarket"} | arguments}).get("x")


def test_it_cannot_be_written() -> None:
    with pytest.raises(DatasetError, match="is a source and cannot be written"):
        catalog().save("toy.bars_raw", simulate(MarketRule(**SMALL)).bars)


def test_its_first_rows_can_be_shown() -> None:
    shown = MockMarket(table="funding", market=SMALL).preview(2)
    assert shown["columns"] == ["entity", "time", "available_time", "rate"]
    assert len(shown["data"]) == 2


def test_the_fingerprint_is_that_of_the_rows() -> None:
    assert MockMarket(table="bars", market=SMALL).fingerprint() == MockMarket(table="bars", market=SMALL).fingerprint()
    prints = {
        MockMarket(table=table, market=SMALL | change).fingerprint()
        for table in TABLES
        for change in ({}, {"seed": 8}, {"ic": 0.0})
    }
    assert len(prints) == 8  # the IC is in the prices, and so in the value of the open interest, but not in funding


def test_another_market_makes_what_follows_stale() -> None:
    def vouched(found: DataCatalog) -> list[str | None]:
        return [Fingerprints().of(f"toy.{table}_raw", found) for table in TABLES]

    assert vouched(catalog()) == vouched(catalog())
    assert None not in vouched(catalog())
    changed = zip(vouched(catalog()), vouched(catalog(ic=0.0)), strict=True)
    assert all(old != new for old, new in changed)


def test_it_says_what_it_is() -> None:
    described = MockMarket(table="bars", market=SMALL)._describe()
    assert described["table"] == "bars"
    assert described["market"]["ic"] == 0.1


def test_a_wrong_market_is_an_error_on_purpose() -> None:
    with pytest.raises(ConfigurationError, match="mock market, parameter 'bars'"):
        MockMarket(table="bars", market={"bars": 1})
