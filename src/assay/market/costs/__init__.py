"""What trading and holding cost: fees, half the spread, impact, borrowing, and funding at its settlement times."""

from assay.market.costs.funding import Funding, check_funding, funding_schedule
from assay.market.costs.impact import LIQUIDITY, impact_rate, liquidity
from assay.market.costs.trading import BP, Costs, describe_costs

__all__ = [
    "BP",
    "LIQUIDITY",
    "Costs",
    "Funding",
    "check_funding",
    "describe_costs",
    "funding_schedule",
    "impact_rate",
    "liquidity",
]
