"""Labels: what became of each decision, and when that was known. One file per kind."""

from assay.market.labels.fixed_horizon import FixedHorizon
from assay.market.labels.forecast import Forecast
from assay.market.labels.kinds import LabelRule
from assay.market.labels.make import check_tradable, make_labels
from assay.market.labels.trend_scanning import TrendScanning
from assay.market.labels.triple_barrier import TripleBarrier

__all__ = [
    "FixedHorizon",
    "Forecast",
    "LabelRule",
    "TrendScanning",
    "TripleBarrier",
    "check_tradable",
    "make_labels",
]
