"""Serving: decisions for the newest bars, and the proof that serving equals the batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.bundles import Champion, Champions
from assay.market.conformal import interval
from assay.market.ensembles.decider import Answers
from assay.market.execution import Execution
from assay.market.features import FeatureRule, recompute
from assay.market.labels import LabelRule
from assay.market.labels.rule import Market
from assay.market.models import called
from assay.market.models.base import Floats, class_codes
from assay.market.parameters import Parameters
from assay.market.splits import Mask
from assay.market.tables import BOUNDS, CLASS_NAMES, KEY


class PredictRule(Parameters):
    """How decisions are served and checked.

    Attributes:
        replay: Newest timestamps whose features are recomputed one by one, each from the rows known at that time.
    """

    replay: int = Field(default=10, ge=1)


@dataclass(frozen=True)
class Live:
    """Rows as they are served.

    Attributes:
        features: Features of the newest timestamps, each computed as it would have been at that time.
        batch: Features of the batch, for the rows before those.
        scale: Standard deviation expected for the outcome of each row, see `live_scale`.
    """

    features: pl.DataFrame
    batch: pl.DataFrame
    scale: pl.DataFrame


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


def live_scale(panel: pl.DataFrame, rule: LabelRule, *, execution: Execution) -> pl.DataFrame:
    """The standard deviation that is expected for the outcome of each decision: ``sigma_t * sqrt(horizon)``.

    The same as the column ``scale`` of the labels, from the panel alone: at t it reads rows up to t.

    Args:
        panel: The panel, sorted by entity and time.
        rule: Labels of the head.
        execution: Delay and price field of its labels.

    Returns:
        Columns ``entity, time, scale``, one row per panel row; null where it is undefined.
    """
    own = rule.root
    market = Market.of(panel, own, measured=own.reads(execution)[0])
    return panel.select(*KEY, market.scale.alias("scale"))


def decide(live: Live, champions: Champions) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Decisions for the newest bar of every entity.

    A calibrator is not used when the champion's raw scores of all rows that are served lie outside the range that it
    was fitted on: there it would extrapolate.

    Args:
        live: Rows to serve.
        champions: What decides.

    Returns:
        One row per entity: ``entity, time, signal, confidence, target_return, lower, upper, bundle_id, feature_age``.
        ``signal`` is the class that is called, as in the out-of-sample predictions. ``confidence`` is the calibrated
        probability of that class, or P(right) of a call that a second stage let through. ``lower`` and ``upper`` bound
        the return; null where nothing is known to bound it by. ``feature_age`` is in hours behind the newest bar of any
        entity. An entity without a bar among the newest timestamps gets no decision.
        And what was decided by: by role ``model, bundle_id``, for the signal ``calibrator`` (applied, dropped, none)
        with what is to be said about it.
    """
    table, rows = with_history(live.features, live.batch, rows=champions.lookback)
    served = table.filter(rows)
    calls, calibrator = _calls(champions.signal, champions.signal.decider.answer(table, rows))
    decided = served.select(KEY).with_columns(
        pl.Series("signal", _names(calls.values), dtype=pl.String),
        pl.Series("confidence", confidence(calls), dtype=pl.Float64),
        pl.Series("target_return", champions.target.predict(table, rows), dtype=pl.Float64),
    )
    bounded = _bounded(decided.join(live.scale, on=KEY, how="left", maintain_order="left"), champions.target)
    newest = bounded.sort("time").group_by("entity", maintain_order=True).last().sort("entity")
    return newest.select(
        *KEY,
        *("signal", "confidence", "target_return", *BOUNDS),
        pl.lit(f"{champions.signal.bundle_id}+{champions.target.bundle_id}").alias("bundle_id"),
        ((pl.col("time").max() - pl.col("time")).dt.total_seconds() / 3600).alias("feature_age"),
    ), _told(champions, calibrator)


def confidence(answers: Answers) -> Floats:
    """How sure a call is: P(right) where a second stage let a call through, else the probability of the class called.

    Args:
        answers: Probabilities, and P(right) where it is known.
    """
    codes = class_codes(called(answers.values))
    chosen = answers.values[np.arange(len(codes)), codes]
    side = codes != CLASS_NAMES.index("NEUTRAL")
    return np.where(side & ~np.isnan(answers.right), answers.right, chosen)


def with_history(live: pl.DataFrame, batch: pl.DataFrame, *, rows: int) -> tuple[pl.DataFrame, Mask]:
    """Put the rows that a model looks back on before the rows that are served.

    Args:
        live: Features as served, newest timestamps.
        batch: Features of the batch, sorted by entity and time.
        rows: Rows of an entity that a model reads to answer one, that one included.

    Returns:
        A features table sorted by entity and time, and the mask of its served rows.
    """
    if rows == 1:
        return live, np.ones(live.height, dtype=bool)
    first = live["time"].min()
    before = batch.filter(pl.col("time") < first).group_by("entity", maintain_order=True).tail(rows - 1)
    table = pl.concat([before.select(live.columns), live]).sort(KEY)
    return table, (table["time"] >= first).to_numpy()


def replay(live: pl.DataFrame, features: pl.DataFrame, champions: Champions) -> dict[str, object]:
    """Compare the serving path with the batch on the same rows.

    Args:
        live: Features as served, newest timestamps.
        features: Features of the batch.
        champions: What decides; its answers are compared too.

    Returns:
        Rows and timestamps compared, and whether features and predictions are equal to the bit; predictions are equal
        only if the signals served are also the classes that the batch calls.
    """
    served, rows = with_history(live.sort(KEY), features, rows=champions.lookback)
    wanted = features.select(KEY).join(live.select(KEY).with_columns(wanted=True), on=KEY, how="left")
    in_batch = wanted["wanted"].fill_null(value=False).to_numpy()
    batch = features.select(live.columns)
    signal, target = champions.signal, champions.target
    probabilities, expected = signal.predict(served, rows), signal.predict(batch, in_batch)
    return {
        "rows": live.height,
        "timestamps": live["time"].n_unique(),
        "features_equal": served.filter(rows).equals(batch.filter(in_batch)),
        "predictions_equal": np.array_equal(probabilities, expected)
        and _names(probabilities) == [CLASS_NAMES[code] for code in class_codes(called(expected))]
        and np.array_equal(target.predict(served, rows), target.predict(batch, in_batch)),
    }


def _names(probabilities: Floats) -> list[str]:
    """Name of the class that is called for each row."""
    return [CLASS_NAMES[code] for code in class_codes(called(probabilities))]


def _calls(champion: Champion, raw: Answers) -> tuple[Answers, dict[str, str]]:
    """The calls of a champion, calibrated if its calibrator can be used, and what is to be said about that."""
    if champion.state is None:
        return raw, {"calibrator": "none", "said": "No calibrator was accepted: probabilities are those of the model."}
    if not champion.covers(raw):
        said = "The newest scores lie outside the range of the calibrator: probabilities are those of the model."
        return raw, {"calibrator": "dropped", "said": said}
    said = "Probabilities are calibrated by the out-of-sample answers of the last folds."
    return champion.calibrated(raw), {"calibrator": "applied", "said": said}


def _bounded(decided: pl.DataFrame, champion: Champion) -> pl.DataFrame:
    """The columns lower and upper; null where there is no finite interval, e.g. without a state."""
    scale = decided["scale"].fill_null(np.nan).to_numpy()
    ends = interval(champion.state, decided["target_return"].to_numpy(), scale)
    return decided.with_columns(pl.Series(name, end).fill_nan(None) for name, end in zip(BOUNDS, ends, strict=True))


def _told(champions: Champions, calibrator: dict[str, str]) -> dict[str, Any]:
    roles = {"signal": champions.signal, "target": champions.target}
    named = {role: {"model": found.model, "bundle_id": found.bundle_id} for role, found in roles.items()}
    return named | {"signal": named["signal"] | calibrator}
