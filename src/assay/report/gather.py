"""Gathers what the stages found into the facts of a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.selection import stability
from assay.market.splits import split_rows
from assay.market.tables import CLASS_NAMES, CLASSES
from assay.report.facts import HeadFacts, ReportFacts
from assay.report.figures.thin import evenly
from assay.report.format import counted, reasons
from assay.report.view import first_metric, ranked

Document = Mapping[str, Any]
REASONS = 2  # reasons for left-out features that are told before anything else
SHAP_ROWS, SHAP_FEATURES = 400, 12  # what of an explanation goes into the page
_ROW = ["fold", "time", "entity"]


def head_findings(
    plan: Document,
    labels: pl.DataFrame,
    *,
    primary: Primary,
    **told: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Everything the page says about one head.

    Args:
        plan: Plan of the head.
        labels: Its labels table, for the class shares of each fold.
        primary: The declared claim, which decides whose explanation is shown.
        told: ``metrics``, ``label_manifest``, ``importance``, ``fits``, ``best_params``, ``model_index``,
            ``inner_trials``, ``ensembles``, ``calibration``, ``explanation``, ``shap_values``, ``left_out``,
            ``contest`` and ``seeds``; of a head that is traded also ``backtest`` and
            ``significance``.

    Returns:
        The fields of ``HeadFacts``; ``fits`` are those of models, ensembles and calibration. Of a head that takes no
        part in the run only ``absent``, the reason.
    """
    fixed, best = Plan.model_validate(plan), told["best_params"]
    if fixed.absent:
        return {"absent": fixed.absent}
    ours = {trial for found in best.values() for trial in found["trials"]}
    return {
        "kind": plan["kind"],
        "profile": plan["learning"]["profile"],
        "evaluation": told["metrics"],
        "receipts": plan["receipts"],
        "label_manifest": told["label_manifest"],
        "importance": _over_folds(told["importance"]),
        "trials": [trial for trial in told["inner_trials"] if trial["id"] in ours],
        "searches": {model: _search(found) for model, found in best.items() if found["trials"]},
        "best_params": {model: found["values"] for model, found in best.items() if found["trials"]},
        "bundles": told["model_index"],
        "min_coverage": plan["learning"]["selection"]["min_coverage"],
        "selections": _selections(fixed),
        "stability": stability(fixed.selections),
        "class_shares": _class_shares(fixed, labels) if fixed.kind == "classification" else [],
        "fits": [*told["fits"], *told["ensembles"]["fits"], *told["calibration"]["fits"]],
        "shap_sample": shap_sample(told["shap_values"], told["explanation"], _explained(told, fixed.head, primary)),
        **{name: told[name] for name in ("ensembles", "calibration", "explanation", "left_out", "contest", "seeds")},
        **_money(told),
    }


def _money(told: Document) -> dict[str, Any]:
    """What the models earned; nothing for a head whose target no position earns."""
    backtest = told.get("backtest", {"models": {}, "said": "", "funding": ""})
    return {
        "traded": "backtest" in told,
        "backtest": backtest["models"],
        "costs": backtest["said"],
        "funding": backtest["funding"],
        "outer_trials": told["significance"]["trials"]["configurations"] if "significance" in told else 0,
        "significance": told.get("significance", {}),
    }


def _search(found: Document) -> dict[str, Any]:
    return {"stopped": found["stopped"], "spans": found["params"]["search"]}


def _explained(told: Document, head: str, primary: Primary) -> str | None:
    """The best explained model: the declared one on its own head, else the first of those tried."""
    evaluation, mine = told["metrics"], primary.head == head
    order = ranked(evaluation, primary.metric if mine else first_metric(evaluation))
    models = [*([primary.model] if mine else []), *order]
    return next((model for model in models if model in told["explanation"]["models"]), None)


def shap_sample(values: pl.DataFrame, explanation: Document, model: str | None) -> list[dict[str, Any]]:
    """A sample of SHAP values that is small enough for a page.

    Args:
        values: Columns ``model, fold, entity, time, feature, value, shap``.
        explanation: Per model its ``features``, largest first.
        model: Whose values; None: nothing.

    Returns:
        Grain model, row, feature: ``value`` and ``shap``, None where undefined; the 12 largest features, largest first,
        each on the same rows: at most 400, evenly spread over folds and time.
    """
    if model is None:
        return []
    names = [feature["name"] for feature in explanation["models"][model]["features"][:SHAP_FEATURES]]
    largest = pl.DataFrame({"feature": names}, schema={"feature": pl.String}).with_row_index("place")
    mine = values.filter(pl.col("model") == model)
    rows = mine.select(_ROW).unique().sort(_ROW)
    kept = rows[evenly(rows.height, SHAP_ROWS)].with_row_index("row")
    found = mine.join(kept, on=_ROW).join(largest, on="feature").sort("place", "row")
    written = pl.col("value", "shap").cast(pl.Float64).fill_nan(None).round_sig_figs(5)
    return found.select("model", "row", "feature", written).to_dicts()


def taking_part(findings: Mapping[str, Document]) -> dict[str, Document]:
    """Findings of the heads for which the data hold what they predict."""
    return {name: found for name, found in findings.items() if "absent" not in found}


def report_facts(workload: str, *, summary: Document, about: Document, findings: Mapping[str, Document]) -> ReportFacts:
    """Facts of the page of one workload.

    Args:
        workload: Name of the workload.
        summary: Verdict, declared primary, and the leak audit in whole.
        about: ``quality``, ``catalogue``, ``manifest``, ``replay`` and ``null_calibration`` (None where there is none).
        findings: Findings of every head.
    """
    heads = {name: HeadFacts(**found) for name, found in taking_part(findings).items()}
    return ReportFacts(
        workload=workload,
        verdict=summary["verdict"],
        primary=summary["primary"],
        heads=heads,
        absent={name: found["absent"] for name, found in findings.items() if name not in heads},
        notes=_notes(about, heads),
        catalogue=about["catalogue"],
        quality=about["quality"],
        audit=summary["audit"],
        manifest=about["manifest"],
        null_calibration=about["null_calibration"],
    )


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
    ever = f"{counted(tried, 'configuration')} {have} had an out-of-sample result computed so far, this run included."
    uncounted = (
        "" if all(head.traded for head in heads.values()) else " Those of heads that are not traded do not count."
    )
    return [
        *about["quality"]["notes"],
        *_disabled(about["catalogue"]["disabled"]),
        *reasons({model: why for head in heads.values() for model, why in head.left_out.items()}),
        *sorted({f"{head.costs} {head.funding}" for head in heads.values() if head.traded}),
        _replayed(about["replay"]),
        f"{ever}{uncounted}",
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
