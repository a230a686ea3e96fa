"""Features: stationary columns that look back only, in families that parameters switch on."""

from assay.market.features.alpha import alpha158
from assay.market.features.engine import ENGINE_VERSION, catalogue, engineer, feature_set_id, recompute
from assay.market.features.family import Family
from assay.market.features.feature import Feature
from assay.market.features.partitions import FeatureTable, Partition, engineer_parts
from assay.market.features.rule import FeatureRule

__all__ = [
    "ENGINE_VERSION",
    "Family",
    "Feature",
    "FeatureRule",
    "FeatureTable",
    "Partition",
    "alpha158",
    "catalogue",
    "engineer",
    "engineer_parts",
    "feature_set_id",
    "recompute",
]
