"""Serving: decisions for the newest bars, and the proof that serving equals the batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.bundles import Champions
from assay.market.features import FeatureRule, recompute
from assay.market.models import called
from assay.market.models.base import Floats, class_codes
from assay.market.parameters import Parameters
from assay.market.tables import CLASS_NAMES, CLASSES, KEY


class PredictRule(Parameters):
    """How decisions are served and checked.

    Attributes:
        replay: Newest timestamps whose features are recomputed one by one, each from the rows known at that time.
        coverage: Nominal coverage of ``lower`` .. ``upper`` around the target return.
    """

    replay: int = Field(default=10, ge=1)
    coverage: float = Field(default=0.9, gt=0, lt=1)


def live_features(
    panel: pl.DataFrame, rule: FeatureRule, catalogue: Mapping[str, Any], *, timestamps: int
) -> pl.DataFrame:
    """Features of the newest timestamps, each computed as it would have been at that time.

    Args:
        panel: The panel, all entities.
        rule: The feature rule of the batch.
        catalogue: The catalogue of the batch; what it lists is served.
        timestamps: How many of the newest timestamps to serve.

    Returns:
        The features table, newest ``timestamps`` only. The features at t come from the rows up to t alone, so any
        look-ahead in the batch shows as a difference.

    Raises:
        ConfigurationError: The rule does not offer a feature of the catalogue.
    """
    names = [feature["name"] for feature in catalogue["features"]]
    newest = panel["time"].unique().sort().tail(timestamps)
    served = [recompute(panel.filter(pl.col("time") <= time), rule, names, since=time) for time in newest]
    return pl.concat(served).sort(KEY)


def decide(live: pl.DataFrame, champions: Champions, oos: pl.DataFrame, *, coverage: float) -> pl.DataFrame:
    """Decisions for the newest bar of every entity.

    Args:
        live: Features of the newest timestamps.
        champions: The recipes that decide.
        oos: Out-of-sample predictions of the target's head; their errors of the champion's recipe give the interval.
        coverage: Nominal coverage of the interval; quantiles of past out-of-sample errors, not conditional on
            volatility.

    Returns:
        One row per entity: ``entity, time, signal, confidence, target_return, lower, upper, bundle_id, feature_age``.
        ``signal`` is the class that is called, as in the out-of-sample predictions; ``confidence`` is its probability.
        ``feature_age`` is in hours behind the newest bar of any entity. An entity without a bar among the newest
        timestamps gets no decision.
    """
    newest = live.sort("time").group_by("entity", maintain_order=True).last().sort("entity")
    features = newest.select(live.columns)
    signals, confidence = _signals(champions.signal.recipe.predict(features))
    target = champions.target.recipe.predict(features)
    low, high = _error_band(oos.filter(pl.col("model") == champions.target.model), coverage=coverage)
    return features.select(
        *KEY,
        pl.Series("signal", signals, dtype=pl.String),
        pl.Series("confidence", confidence, dtype=pl.Float64),
        pl.Series("target_return", target, dtype=pl.Float64),
        pl.Series("lower", target + low, dtype=pl.Float64),
        pl.Series("upper", target + high, dtype=pl.Float64),
        pl.lit(f"{champions.signal.bundle_id}+{champions.target.bundle_id}").alias("bundle_id"),
        ((pl.col("time").max() - pl.col("time")).dt.total_seconds() / 3600).alias("feature_age"),
    )


def _signals(probabilities: Floats) -> tuple[list[str], Floats]:
    """Name and probability of the class that is called for each row."""
    codes = class_codes(called(probabilities))
    return [CLASS_NAMES[code] for code in codes], probabilities[np.arange(len(codes)), codes]


def _error_band(oos: pl.DataFrame, *, coverage: float) -> tuple[float, float]:
    errors = oos.filter(pl.col("y_true").is_not_null()).select(pl.col("y_true") - pl.col("y_pred")).to_series()
    tail = (1 - coverage) / 2
    low, high = np.quantile(errors.to_numpy(), (tail, 1 - tail))
    return float(low), float(high)


def replay(live: pl.DataFrame, features: pl.DataFrame, champions: Champions) -> dict[str, object]:
    """Compare the serving path with the batch on the same rows.

    Args:
        live: Features as served, newest timestamps.
        features: Features of the batch.
        champions: Recipes whose predictions are compared too.

    Returns:
        Rows and timestamps compared, and whether features and predictions are equal to the bit; predictions are equal
        only if the signals served are also the classes that the batch calls.
    """
    batch = features.join(live.select(KEY), on=KEY, how="semi").sort(KEY).select(live.columns)
    served = live.sort(KEY)
    signal, target = champions.signal.recipe, champions.target.recipe
    classes = [CLASSES[CLASS_NAMES.index(name)] for name in _signals(signal.predict(served))[0]]
    return {
        "rows": served.height,
        "timestamps": served["time"].n_unique(),
        "features_equal": served.equals(batch),
        "predictions_equal": np.array_equal(classes, called(signal.predict(batch)))
        and all(np.array_equal(recipe.predict(served), recipe.predict(batch)) for recipe in (signal, target)),
    }
