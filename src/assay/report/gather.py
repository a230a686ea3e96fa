"""Gathers what the stages found into the facts of a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.market.plan import Plan
from assay.market.selection import stability
from assay.market.splits import split_rows
from assay.market.tables import CLASS_NAMES, CLASSES
from assay.report.facts import HeadFacts, ReportFacts
from assay.report.format import counted

Document = Mapping[str, Any]
REASONS = 2  # reasons for left-out features that are told before anything else


def head_findings(
    plan: Document,
    labels: pl.DataFrame,
    backtest: Document,
    importance: pl.DataFrame,
    **told: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Everything the page says about one head.

    Args:
        plan: Plan of the head.
        labels: Its labels table, for the class shares of each fold.
        backtest: What its models earned.
        importance: Importance of each feature in each fold of each model.
        told: ``metrics``, ``label_manifest``, ``fits``, ``best_params``, ``model_index`` and both trial ledgers.

    Returns:
        The fields of ``HeadFacts``.
    """
    best, ours = told["best_params"], _ids(told["best_params"])
    fixed = Plan.model_validate(plan)
    return {
        "kind": plan["kind"],
        "evaluation": told["metrics"],
        "receipts": plan["receipts"],
        "label_manifest": told["label_manifest"],
        "importance": _over_folds(importance),
        "backtest": backtest["models"],
        "trials": [trial for trial in told["inner_trials"] if trial["id"] in ours],
        "best_params": {model: found["values"] for model, found in best.items()},
        "costs": backtest["costs"],
        "funding": backtest["funding"],
        "bundles": told["model_index"],
        "min_coverage": plan["learning"]["selection"]["min_coverage"],
        "selections": _selections(fixed),
        "stability": stability(fixed.selections),
        "class_shares": _class_shares(fixed, labels) if fixed.kind == "classification" else [],
        "fits": told["fits"],
        "outer_trials": len(told["outer_trials"]),
    }


def report_facts(workload: str, *, summary: Document, about: Document, findings: Mapping[str, Document]) -> ReportFacts:
    """Facts of the page of one workload.

    Args:
        workload: Name of the workload.
        summary: Verdict, declared primary, and the leak audit in whole.
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
        audit=summary["audit"],
        manifest=about["manifest"],
    )


def _ids(best_params: Document) -> set[str]:
    return {trial for found in best_params.values() for trial in found["trials"]}


def _selections(plan: Plan) -> list[dict[str, Any]]:
    """What was chosen for every outer fold, oldest first."""
    found = [(fold.receipt.fold, fold.selection) for fold in plan.folds()]
    return [{"fold": number, **selection.model_dump(mode="json")} for number, selection in found]


def _class_shares(plan: Plan, labels: pl.DataFrame) -> list[dict[str, Any]]:
    """Class shares of the labelled rows that each fold trains on and is tested on."""
    parts = [(receipt.fold, split_rows(labels, receipt)) for receipt in plan.receipts]
    return [
        {"fold": fold, "train": _shares(labels.filter(train)), "test": _shares(labels.filter(test))}
        for fold, (train, test) in parts
    ]


def _shares(labels: pl.DataFrame) -> dict[str, float]:
    label = labels["label"].drop_nulls()
    codes = zip(CLASSES, CLASS_NAMES, strict=True)
    return {name: int((label == code).sum()) / max(1, label.len()) for code, name in codes}


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
    """The reasons that concern most features, and how many features are left out for others."""
    counts = Counter(feature["reason"] for feature in disabled).most_common()
    rest = sum(count for _, count in counts[REASONS:])
    return [
        *(f"{_left_out(counted(count, 'feature'), count)}: {reason}." for reason, count in counts[:REASONS]),
        *([f"{_left_out(f'{rest} more', rest)}; each with its reason under Features."] if rest else []),
    ]


def _left_out(who: str, count: int) -> str:
    return f"{who} {'is' if count == 1 else 'are'} left out"


def _replayed(replay: Document) -> str:
    rows, newest = counted(replay["rows"], "row"), counted(replay["timestamps"], "newest timestamp")
    if replay["features_equal"] and replay["predictions_equal"]:
        return f"Replay of {rows} at the {newest}: what was known then, recomputed, equals the batch to the bit."
    return f"Replay FAILED: serving and batch differ on {rows} at the {newest}; treat every number here as suspect."
