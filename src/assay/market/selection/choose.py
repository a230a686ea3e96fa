"""The choice: drop what cannot be used, rank what is left by several methods, keep the best mean ranks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from assay.market.errors import DataError
from assay.market.models.base import Floats
from assay.market.parts import TARGETS, check_classes, check_same_rows, feature_names, known
from assay.market.selection.document import Selection
from assay.market.selection.rule import Method, SelectionRule, Task
from assay.market.selection.sample import Sample, draw, near_duplicates, unusable
from assay.market.selection.univariate import f_test, mutual_information, univariate
from assay.market.splits import holdout_tail

if TYPE_CHECKING:
    from datetime import datetime


def select(features: pl.DataFrame, labels: pl.DataFrame, rule: SelectionRule, *, task: Task) -> Selection:
    """Choose the features that all models of a head read in one training part.

    Only labelled rows before the early-stopping tail are read. In this order features are dropped for coverage, for
    being constant, and for nearly repeating a better one (`near_duplicates`); what is left is ranked by every method,
    and the best ``rule.features`` by mean rank are kept, all if there are no more. Equal scores share a rank, equal
    mean ranks go to the earlier column. Missing and infinite values are filled with the median of the sampled rows.

    Args:
        features: Features table, training rows; more rows than labelled ones are fine.
        labels: Labels table of the same rows in the same order.
        rule: Limits and methods.
        task: Kind of head, seed, tail and weights.

    Returns:
        What was kept and dropped, why, and from which rows.

    Raises:
        DataError: Features and labels are not the same rows, or no feature can be used.
        SplitError: Too few rows for the purged tail or the probe, or a single class to learn.
    """
    check_same_rows(features, labels)
    usable = known(labels, task.kind)
    features, labels = features.filter(usable), labels.filter(usable)
    fit = holdout_tail(labels, task.tail)[0]
    features, labels = features.filter(fit), labels.filter(fit)
    if task.kind == "classification":
        check_classes(labels[TARGETS[task.kind]].to_numpy())
    dropped = unusable(features, rule.min_coverage)
    if len(dropped) == len(feature_names(features)):
        raise _nothing_left(features, dropped)
    sample = draw(features.drop(dropped), labels, rule, task=task)
    scores = univariate(sample.values, sample.y, task.kind)
    dropped |= near_duplicates(sample.values, scores, rule.max_correlation)
    sample = sample.without(dropped.keys() & set(sample.values.columns))
    ranks = {method: _ranks(sample, _METHODS[method](sample)) for method in rule.methods}
    consensus = {name: float(np.mean([ranks[method][name] for method in ranks])) for name in sample.values.columns}
    dropped |= _outranked(consensus, rule.features)
    return Selection(
        rows=labels.height,
        last_time_seen=cast("datetime", labels["time"].max()),
        last_label_end=cast("datetime", labels["label_end"].max()),
        kept=tuple(name for name in consensus if name not in dropped),
        dropped=dropped,
        ranks=dict(ranks),
        consensus=consensus,
    )


def _ranks(sample: Sample, scores: Floats) -> dict[str, float]:
    """Rank from 1 = highest score; equal scores share their mean rank."""
    ranks = pl.Series(scores).rank("average", descending=True).to_list()
    return dict(zip(sample.values.columns, ranks, strict=True))


def _outranked(consensus: dict[str, float], count: int) -> dict[str, str]:
    """Reasons for the features beyond the ``count`` best mean ranks."""
    ranked = sorted(consensus, key=lambda name: consensus[name])
    width = len(ranked)
    return {name: f"consensus rank {place} of {width}" for place, name in enumerate(ranked, 1) if place > count}


def _nothing_left(features: pl.DataFrame, dropped: dict[str, str]) -> DataError:
    reasons = "; ".join(f"{name}: {why}" for name, why in dropped.items()) or "the table has no feature column"
    return DataError(
        "features",
        "none can be used in this training part",
        expected="at least one feature with enough coverage that is not constant",
        found=f"{features.height} rows, {len(feature_names(features))} features; {reasons}",
        do="lower min_coverage, start later in time, or turn on features that need fewer sources",
    )


_METHODS: dict[Method, Callable[[Sample], Floats]] = {
    "univariate": lambda s: univariate(s.values, s.y, s.task.kind),
    "mutual_information": lambda s: mutual_information(s.values, s.y, s.task.kind, seed=s.task.seed),
    "f_test": lambda s: f_test(s.values, s.y, s.task.kind),
    "recursive": lambda s: s.probe.recursive(keep=s.rule.features, drop=s.rule.drop),
    "tree": lambda s: s.probe.gain(),
    "shap": lambda s: s.probe.shap(),
    "permutation": lambda s: s.probe.permutation(),
}
