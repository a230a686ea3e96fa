"""What a mock market is made of."""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from assay.market.parameters import Parameters

Form = Literal["linear", "interaction", "regime", "sequence"]


class MarketRule(Parameters):
    """A market of perpetuals with one planted signal; the same rule gives the same market.

    Attributes:
        symbols: How many there are.
        bars: Length of the history; a symbol listed late or delisted has fewer.
        start: Open of the first bar.
        interval: Length of a bar.
        seed: Seed of everything that is drawn. What one parameter adds changes no other draw: a market with
            ``ic: 0`` has the same shocks, volatility and feeds.
        ic: Correlation of the planted signal with the next return in units of its volatility; 0 is a null market.
        form: How the signal comes about from what can be seen, see ``signals.py``.
        correlation: Correlation of the shocks of two symbols; 0.6 is about that of large perpetuals.
        degrees: Degrees of freedom of the Student t shocks; ``inf`` is Gaussian.
        volatility: Median volatility of a bar.
        volatility_sd: Standard deviation of the log volatility; 0 is constant volatility.
        persistence: Autocorrelation of the log volatility from bar to bar.
        leverage: Correlation of a shock with the next change of the log volatility.
        season: How much larger the log volatility is at the busiest hour of the day than on average.
        listings: Symbols that are listed late: the last ones, after 15 % of the history.
        delistings: Symbols that die: those before them, after 75 % of the history.
        gaps: Share of the bars that are missing, in holes of a few bars; the feeds go on.
        late: Share of the facts of a feed that become known several bars late.
        revisions: Share of the facts of a feed that are first published wrong and put right a few bars later.
    """

    symbols: int = Field(default=6, ge=1)
    bars: int = Field(default=5_000, ge=2)
    start: AwareDatetime = datetime(2024, 1, 1, tzinfo=UTC)
    interval: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    seed: int = Field(default=7, ge=0)
    ic: float = Field(default=0.08, ge=0, lt=1)
    form: Form = "linear"
    correlation: float = Field(default=0.6, ge=0, lt=1)
    degrees: float = Field(default=5.0, gt=2)
    volatility: float = Field(default=0.006, gt=0, lt=0.2)
    volatility_sd: float = Field(default=0.5, ge=0, le=1)
    persistence: float = Field(default=0.985, ge=0, lt=1)
    leverage: float = Field(default=-0.5, ge=-1, le=1)
    season: float = Field(default=0.3, ge=0, le=1)
    listings: int = Field(default=1, ge=0)
    delistings: int = Field(default=1, ge=0)
    gaps: float = Field(default=0.0, ge=0, le=0.2)
    late: float = Field(default=0.0, ge=0, le=0.5)
    revisions: float = Field(default=0.02, ge=0, le=0.5)

    @field_validator("start")
    @classmethod
    def _in_utc(cls, start: datetime) -> datetime:
        return start.astimezone(UTC)

    @model_validator(mode="after")
    def _someone_is_always_there(self) -> Self:
        if self.listings + self.delistings >= self.symbols:
            raise ValueError(
                f"{self.listings} late listings and {self.delistings} delistings leave none of {self.symbols} symbols "
                "that trades all the time; lower them, or raise symbols"
            )
        return self

    @property
    def names(self) -> list[str]:
        """Names of the symbols, in alphabetical order: MOCK1, MOCK2, ..."""
        digits = len(str(self.symbols))
        return [f"MOCK{number:0{digits}d}" for number in range(1, self.symbols + 1)]
