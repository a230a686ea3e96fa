"""Gathers what the stages found into the facts of a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.report.facts import HeadFacts, ReportFacts
from assay.report.format import counted

Document = Mapping[str, Any]


def head_findings(
    plan: Document,
    metrics: Document,
    backtest: Document,
    importance: pl.DataFrame,
    **told: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Everything the page says about one head.

    Args:
        plan: Plan of the head.
        metrics: Its evaluation.
        backtest: What its models earned.
        importance: Importance of each feature in each fold of each model.
        told: ``label_manifest``, ``best_params``, ``model_index`` and both trial ledgers.

    Returns:
        The fields of ``HeadFacts``.
    """
    best, ours = told["best_params"], _ids(told["best_params"])
    return {
        "kind": plan["kind"],
        "evaluation": metrics,
        "receipts": plan["receipts"],
        "label_manifest": told["label_manifest"],
        "importance": _over_folds(importance),
        "backtest": backtest["models"],
        "trials": [trial for trial in told["inner_trials"] if trial["id"] in ours],
        "best_params": {model: found["values"] for model, found in best.items()},
        "costs": backtest["costs"],
        "funding": backtest["funding"],
        "bundles": told["model_index"],
        "min_coverage": plan["learning"]["preprocess"]["min_coverage"],
        "outer_trials": len(told["outer_trials"]),
    }


def report_facts(workload: str, *, summary: Document, about: Document, findings: Mapping[str, Document]) -> ReportFacts:
    """Facts of the page of one workload.

    Args:
        workload: Name of the workload.
        summary: Verdict and declared primary.
        about: ``quality``, ``catalogue``, ``manifest`` and ``replay``.
        findings: Findings of every head.
    """
    heads = {name: HeadFacts(**found) for name, found in findings.items()}
    return ReportFacts(
        workload=workload,
        verdict=summary["verdict"],
        primary=summary["primary"],
        heads=heads,
        notes=_notes(about, heads),
        catalogue=about["catalogue"],
        quality=about["quality"],
        manifest=about["manifest"],
    )


def _ids(best_params: Document) -> set[str]:
    return {trial for found in best_params.values() for trial in found["trials"]}


def _over_folds(importance: pl.DataFrame) -> list[dict[str, Any]]:
    """Mean, spread and range over all folds of a model; a fold that did not use the feature counts as 0."""
    folds = pl.col("fold").n_unique().over("model")
    share = pl.col("importance")
    sums = (
        importance.with_columns(folds=folds)
        .group_by("model", "feature", "folds", maintain_order=True)
        .agg(total=share.sum(), squares=(share**2).sum(), low=share.min(), high=share.max(), used=pl.len())
        .with_columns(mean=pl.col("total") / pl.col("folds"))
    )
    spread = (pl.col("squares") / pl.col("folds") - pl.col("mean") ** 2).clip(0).sqrt()
    low = pl.when(pl.col("used") < pl.col("folds")).then(0.0).otherwise("low")
    return sums.select("model", "feature", "mean", std=spread, low=low, high="high").to_dicts()


def _notes(about: Document, heads: Mapping[str, HeadFacts]) -> list[str]:
    tried = sum(head.outer_trials for head in heads.values())
    have = "has" if tried == 1 else "have"
    return [
        *about["quality"]["notes"],
        *_disabled(about["catalogue"]["disabled"]),
        *sorted({head.funding for head in heads.values()}),
        _replayed(about["replay"]),
        f"{counted(tried, 'configuration')} {have} had an out-of-sample result computed so far, this run included.",
    ]


def _disabled(disabled: Sequence[Document]) -> list[str]:
    counts = Counter(feature["reason"] for feature in disabled)
    return [
        f"{counted(count, 'feature')} {'is' if count == 1 else 'are'} left out: {reason}."
        for reason, count in counts.items()
    ]


def _replayed(replay: Document) -> str:
    rows, newest = counted(replay["rows"], "row"), counted(replay["timestamps"], "newest timestamp")
    if replay["features_equal"] and replay["predictions_equal"]:
        return f"Replay of {rows} at the {newest}: what was known then, recomputed, equals the batch to the bit."
    return f"Replay FAILED: serving and batch differ on {rows} at the {newest}; treat every number here as suspect."
