"""From the out-of-sample predictions of a head to every number the report shows: values, intervals, baselines.

Models are compared on common rows: the folds from ``common_from_fold`` on, rows that every model answered and that
have a label. Figures over all folds are given apart.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from assay.market.evaluation.breakdown import breakdown
from assay.market.evaluation.contenders import Lineup, lineup_of
from assay.market.evaluation.models import model_facts, values_of
from assay.market.evaluation.regimes import groups_of
from assay.market.evaluation.resampling import block_lengths, resample, told
from assay.market.evaluation.rule import EvaluationRule
from assay.market.evaluation.skill import skill_of, versus
from assay.market.metrics import METRICS, class_forecasts, return_forecasts, sum_over
from assay.market.significance import effective_rows, mean_correlation
from assay.market.tables import CLASS_NAMES, CLASSES
from assay.market.workload import Kind


def evaluate(
    oos: pl.DataFrame, *, kind: Kind, roles: Mapping[str, str], horizon: int, rule: EvaluationRule
) -> dict[str, Any]:
    """Everything that is said about the predictions of one head, ready for JSON (plain floats, None where undefined).

    Args:
        oos: Out-of-sample predictions of all models of the head, one row per model, entity and decision. Rows
            without a label are left out of every metric and counted. Skill is broken down by trend where
            ``with_trend`` has added one.
        kind: ``classification`` or ``regression``.
        roles: ``model`` or ``baseline`` for every model in ``oos``. Each model of a classification head also gets a
            ``volatility_only`` row, see ``volatility_only``.
        horizon: Bars that a label spans; blocks are never shorter.
        rule: Resampling and common folds.

    Returns:
        Counts, metric definitions, and per model: metrics with intervals on common rows, the same over all folds, per
        fold, and their paired differences to every baseline; direction skill apart from volatility skill, with the
        number of independent episodes; and the direction skill of every model by regime, entity and hour.

    Raises:
        ConfigurationError: Models without a role, or no fold to compare on.
        DataError: Probabilities that are none, missing forecasts, or no labelled rows.
    """
    lineup = lineup_of(oos, kind=kind, roles=roles, horizon=horizon, rule=rule)
    resamples = resample(lineup, block_lengths(lineup))
    models = {name: model_facts(lineup, name, resamples) for name in lineup.contenders}
    for name, model in models.items():
        model["versus"] = versus(lineup, name, models, resamples)
    groups, block = groups_of(lineup.frame), resamples.blocks.direction
    return {
        "kind": kind,
        **_counts(oos, lineup),
        "block_length": block,
        "level_block_length": resamples.blocks.level,
        "confidence": rule.confidence,
        "metric_info": {name: told(metric) for name, metric in lineup.metrics.items()},
        "models": models,
        **({"class_shares": _class_shares(lineup.frame)} if kind == "classification" else {}),
        "skill": skill_of(lineup, models, resamples),
        "breakdown": {name: breakdown(lineup, name, groups, block=block) for name in lineup.with_role("model")},
    }


def out_of_sample_scores(oos: pl.DataFrame, name: str, *, kind: Kind) -> dict[str, float | None]:
    """Every metric of one contender over all labelled rows of all folds, None where it is undefined.

    Args:
        oos: Out-of-sample predictions of the head.
        name: The contender.
        kind: Kind of the head.
    """
    rows = oos.filter((pl.col("model") == name) & pl.col("y_true").is_not_null()).sort("time", "entity")
    if rows.is_empty():
        return dict.fromkeys(METRICS[kind])
    forecasts = class_forecasts(rows) if kind == "classification" else return_forecasts(rows)
    return values_of(METRICS[kind], sum_over(forecasts))


def _counts(oos: pl.DataFrame, lineup: Lineup) -> dict[str, Any]:
    frame, timestamps = lineup.frame, lineup.timestamps
    one = oos.filter((pl.col("model") == frame["model"][0]) & (pl.col("fold") >= lineup.rule.common_from_fold))
    time = np.repeat(np.arange(timestamps), lineup.per_timestamp)
    entity = frame["entity"].rank("dense").cast(pl.Int64).to_numpy() - 1
    together = mean_correlation(frame["forward_return"].to_numpy(), entity, time)
    per_time = frame.height / timestamps
    return {
        "rows": frame.height,
        "unlabelled": one["y_true"].null_count(),
        "timestamps": timestamps,
        "entities": frame["entity"].n_unique(),
        "span": [moment.isoformat() for moment in (frame["time"][0], frame["time"][-1])],
        "horizon": lineup.horizon,
        "effective_rows": effective_rows(timestamps, lineup.horizon, entities=per_time, correlation=together),
        "common_folds": sorted(frame["fold"].unique().to_list()),
    }


def _class_shares(frame: pl.DataFrame) -> dict[str, float]:
    return {name: float((frame["y_true"] == c).to_numpy().mean()) for name, c in zip(CLASS_NAMES, CLASSES, strict=True)}
