"""Features: stationary columns that look back only, in families that parameters switch on.

Importing this package registers every family. The order of the imports is the order of the columns.
"""

# isort: off
from assay.market.features import (  # noqa: F401
    trend,
    momentum,
    volatility,
    volume,
    candle,
    statistical,
    calendar,
    market,
    macro,
    derivatives,
)
# isort: on

from assay.market.features.engine import ENGINE_VERSION, catalogue, engineer, feature_set_id
from assay.market.features.family import Family
from assay.market.features.feature import Feature
from assay.market.features.rule import FeatureRule

__all__ = ["ENGINE_VERSION", "Family", "Feature", "FeatureRule", "catalogue", "engineer", "feature_set_id"]
