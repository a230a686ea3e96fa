"""Which features a panel cannot provide, and why."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from assay.market.features.feature import Feature
from assay.market.features.rule import FeatureRule

INTRADAY = timedelta(hours=20)  # daily sessions close 24 hours apart, one more or less when the clocks change


def disabled_reasons(
    features: Sequence[Feature], panel: pl.DataFrame, rule: FeatureRule, *, bar: timedelta | None
) -> dict[str, str]:
    """Reason by name of the features to leave out: a column is absent, opens are stale, or bars are daily.

    Args:
        features: Features of base bars, or those whose higher bars are ``bar`` long.
        panel: Sorted by entity and time.
        rule: Limits.
        bar: Length of the bars that the features are to be computed on; None when it cannot be told.
    """
    stale = _stale_opens(panel, rule) if any("open" in f.sources for f in features) else None
    daily = bar is None or bar >= INTRADAY
    reasons = {}
    for feature in features:
        absent = [source for source in feature.sources if source not in panel.columns]
        if absent:
            reasons[feature.name] = f"the panel has no column {', '.join(absent)}"
        elif stale and "open" in feature.sources:
            reasons[feature.name] = stale
        elif daily and feature.intraday:
            reasons[feature.name] = "bars are a day apart or more"
    return reasons


def _stale_opens(panel: pl.DataFrame, rule: FeatureRule) -> str | None:
    from assay.market.quality import stale_opens

    share = stale_opens(panel) if "open" in panel.columns else 0.0
    if share <= rule.max_stale_open_share:
        return None
    return f"open equals the previous close on {share:.1%} of rows, limit {rule.max_stale_open_share:.1%}"
