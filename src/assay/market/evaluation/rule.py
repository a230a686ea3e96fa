"""How a head is evaluated, and the names that evaluations use."""

from pydantic import Field

from assay.market.significance import BootstrapRule
from assay.market.workload import Kind

VOLATILITY_ONLY = "{} (volatility only)"
DIRECTION: dict[Kind, str] = {"classification": "direction_ic", "regression": "ic"}
VOLATILITY_SKILL = {"log_loss": -1.0, "accuracy": 1.0, "mcc": 1.0}  # sign that makes a gain positive


class EvaluationRule(BootstrapRule):
    """How a head is evaluated.

    Attributes:
        common_from_fold: First fold of the common rows. Whatever is fitted on earlier predictions (an ensemble, a
            calibrator) starts there, so that all models are compared on the same rows.
        prior: Name of the baseline that always gives the class shares of its training part; volatility skill is the
            gain over it.
        trend_bars: Bars over which a trend is measured when skill is broken down by it.
    """

    common_from_fold: int = Field(default=3, ge=1)
    prior: str = "class_prior"
    trend_bars: int = Field(default=50, ge=2)
