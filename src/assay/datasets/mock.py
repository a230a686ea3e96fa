"""Raw data of a mock market: made when they are asked for, so that everything runs without a file or a network."""

import hashlib
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal, get_args

import polars as pl
from pydantic import ValidationError

from assay.datasets.sources import Source
from assay.market.errors import ConfigurationError, DataError
from assay.market.simulator import Market, MarketRule, simulate

Table = Literal["bars", "funding", "open_interest"]


class MockMarket(Source):
    """One raw table of a mock market; entries with the same ``market`` give tables of the same market.

    Args:
        table: ``bars`` (``time`` is the OPEN of a bar), ``funding`` or ``open_interest``.
        market: Fields of ``MarketRule``.
        metadata: For plugins such as Kedro-Viz.
    """

    def __init__(
        self, *, table: Table, market: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        if table not in get_args(Table):
            raise DataError(f"table '{table}'", "is none of a mock market", expected=", ".join(get_args(Table)))
        self.metadata = metadata
        self._table, self._rule = table, _rule_of(market or {})

    def load(self) -> pl.DataFrame:
        """All rows of all symbols, sorted; columns as ``assay.market.simulator.Market`` names them."""
        table: pl.DataFrame = getattr(_market(self._rule), self._table)
        return table

    def fingerprint(self) -> str:
        """SHA-256 of the rows, in hexadecimal."""
        rows = BytesIO()
        self.load().write_ipc(rows, compression="uncompressed")
        return hashlib.sha256(rows.getbuffer()).hexdigest()

    def _describe(self) -> dict[str, Any]:
        return {"table": self._table, "market": self._rule.model_dump(mode="json")}


def _rule_of(market: dict[str, Any]) -> MarketRule:
    try:
        return MarketRule.model_validate(market)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"mock market, parameter '{field}'" if field else "mock market",
            first["msg"].removeprefix("Value error, "),
            found=first["input"],
            do="correct it on the command line (--params mock_...), or in the catalog",
        ) from error


@lru_cache(maxsize=1)
def _market(rule: MarketRule) -> Market:
    """The tables of one market are loaded one after the other."""
    return simulate(rule)
