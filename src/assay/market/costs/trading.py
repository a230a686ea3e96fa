"""What trading costs, and borrowing what is sold short."""

from datetime import timedelta

from pydantic import Field

from assay.market.parameters import Parameters

BP = 1e-4  # one basis point
YEAR = timedelta(days=365.25)


class Costs(Parameters):
    """Cost of trading one unit of notional, one way, and of borrowing what is sold short.

    Attributes:
        fee_bp: Taker fee in basis points of the traded notional.
        half_spread_bp: Half the bid-ask spread in basis points, paid as slippage by what is not filled passively.
        maker_bp: Fee of passive fills; negative is a rebate.
        maker_share: Share of the turnover that is filled passively: an assumption, no fill is simulated.
        impact: Coefficient of the square-root law of market impact, see ``impact_rate``; about 1 where it was measured.
            None charges none, and so does a backtest without a capital.
        borrow_bp: Basis points a year on the notional that is held short.
    """

    fee_bp: float = Field(ge=0, allow_inf_nan=False)
    half_spread_bp: float = Field(ge=0, allow_inf_nan=False)
    maker_bp: float = Field(default=0.0, allow_inf_nan=False)
    maker_share: float = Field(default=0.0, ge=0, le=1)
    impact: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    borrow_bp: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @property
    def fee(self) -> float:
        """Fee per unit of turnover."""
        return ((1 - self.maker_share) * self.fee_bp + self.maker_share * self.maker_bp) * BP

    @property
    def slippage(self) -> float:
        """Slippage per unit of turnover, impact left out."""
        return (1 - self.maker_share) * self.half_spread_bp * BP

    @property
    def borrow(self) -> float:
        """Borrow cost per unit of short notional and microsecond."""
        return self.borrow_bp * BP / (YEAR / timedelta(microseconds=1))


def describe_costs(costs: Costs, *, capital: float | None) -> str:
    """Say in words what is charged besides funding, for display beside every net figure.

    Args:
        costs: Cost of trading.
        capital: Capital of the whole book in the quote currency; None = not stated.
    """
    fees = f"Turnover pays {costs.fee / BP:g} bp of fees and {costs.slippage / BP:g} bp of slippage"
    passive = f" ({costs.maker_share:.0%} assumed to be filled passively)" if costs.maker_share else ""
    borrow = f"Short positions pay {costs.borrow_bp:g} bp a year" if costs.borrow_bp else "Borrowing is free"
    return f"{fees}{passive}. {_said_of_impact(costs.impact, capital)} {borrow}."


def _said_of_impact(impact: float | None, capital: float | None) -> str:
    if not impact:
        return "No market impact is charged."
    if capital is None:
        return "No market impact is charged, because no capital is stated."
    return f"Market impact is {impact:g} volatilities times the root of the share of the volume, at {capital:,.0f}."
