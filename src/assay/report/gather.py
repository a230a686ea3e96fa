"""Gathers what the stages found into the facts of a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.report.facts import HeadFacts, ReportFacts

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
        The fields of ``HeadFacts``, and beside them ``costs``, ``funding``, ``bundles`` and ``outer_trials`` (how many
        configurations had an out-of-sample result computed, ever).
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
    fields = HeadFacts.__dataclass_fields__
    return ReportFacts(
        workload=workload,
        verdict=summary["verdict"],
        primary=summary["primary"],
        heads={name: HeadFacts(**{k: v for k, v in found.items() if k in fields}) for name, found in findings.items()},
        notes=_notes(about, findings),
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


def _notes(about: Document, findings: Mapping[str, Document]) -> list[str]:
    funding = {found["funding"] for found in findings.values()}
    tried = sum(found["outer_trials"] for found in findings.values())
    return [
        *about["quality"].get("notes", []),
        *_disabled(about["catalogue"]["disabled"]),
        *sorted(funding),
        _replayed(about["replay"]),
        f"{tried} configurations have had an out-of-sample result computed so far, this run included.",
    ]


def _disabled(disabled: Sequence[Document]) -> list[str]:
    counts = Counter(feature["reason"] for feature in disabled)
    return [f"{count} features are left out: {reason}." for reason, count in counts.items()]


def _replayed(replay: Document) -> str:
    rows = f"{replay['rows']} rows at the newest {replay['timestamps']} timestamps"
    if replay["features_equal"] and replay["predictions_equal"]:
        return f"Replay: {rows}, each recomputed from what was known then, equal the batch to the bit."
    return f"Replay FAILED: {rows} differ between serving and batch; treat every number here as suspect."
