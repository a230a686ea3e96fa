"""What the JSON datasets owe the page: checked once, so that the sections may simply look things up."""

from collections.abc import Iterable, Mapping
from typing import Any

from assay.market.errors import DataError

Facts = Mapping[str, Any]

ESTIMATE = ("value", "low", "high")
_EVALUATION = (
    "kind",
    "rows",
    "timestamps",
    "entities",
    "span",
    "horizon",
    "effective_rows",
    "confidence",
    "common_folds",
    "metric_info",
    "models",
    "skill",
    "breakdown",
)
_MODEL = ("role", "metrics", "full_span", "folds", "fold_mean", "fold_std", "versus")
_SHAPES = {"classification": ("confusion", "roc"), "regression": ("scatter", "residuals")}
_RECEIPT = (
    *("fold", "train_start", "train_end", "last_train_label_end", "test_start", "test_end"),
    *("train_rows", "test_rows", "purged_rows", "embargoed_rows"),
)
AUDITED = ("pass", "informative", "incomplete", "suspect", "fail")
_FEATURE = (
    "name",
    "family",
    "definition",
    "unit",
    "window",
    "warm_up",
    "recursive",
    "coverage",
    "sources",
    "reference",
)


def need(thing: str, found: object, names: Iterable[str]) -> None:
    """Refuse a mapping that lacks a name.

    Raises:
        DataError: It is no mapping, or names are missing.
    """
    wanted = tuple(names)
    missing = [name for name in wanted if not isinstance(found, Mapping) or name not in found]
    if missing:
        raise DataError(
            f"report facts, {thing}",
            "incomplete",
            expected=", ".join(wanted),
            found=f"no {', '.join(missing)}",
            do="build the report from datasets of the same run",
        )


def known(thing: str, found: object, allowed: Iterable[str]) -> None:
    """Refuse a name that is not among those allowed.

    Raises:
        DataError: The name is unknown.
    """
    names = tuple(allowed)
    if found not in names:
        raise DataError(
            f"report facts, {thing}",
            "unknown name",
            expected=", ".join(names) or "at least one",
            found=found,
            do="build the report from the evaluation and verdict of the same run",
        )


def check_evaluation(evaluation: Facts, kind: str) -> None:
    """Refuse an evaluation in which a model, a metric or a comparison is missing.

    Raises:
        DataError: Something is missing.
    """
    need("evaluation", evaluation, _EVALUATION)
    known("kind of the head", kind, [name for name in _SHAPES if name == evaluation["kind"]])
    if kind == "classification":
        need("evaluation", evaluation, ("class_shares",))
    for metric, info in evaluation["metric_info"].items():
        need(f"metric_info of {metric}", info, ("label", "better", "unit", "definition"))
    models = evaluation["models"]
    known("models of the evaluation", next(iter(models), None), models)
    for name, model in models.items():
        _check_model(name, model, evaluation)
    need("skill", evaluation["skill"], [name for name, model in models.items() if model["role"] != "volatility_only"])
    for name, skill in evaluation["skill"].items():
        need(f"skill of {name}", skill, ("direction", "volatility"))
        need(f"direction skill of {name}", skill["direction"], ("ic", "t_hac"))


def _check_model(name: str, model: Facts, evaluation: Facts) -> None:
    need(f"evaluation of {name}", model, (*_MODEL, *_SHAPES[evaluation["kind"]]))
    for part in ("metrics", "full_span", "fold_mean", "fold_std"):
        need(f"{part} of {name}", model[part], evaluation["metric_info"])
    for metric, estimate in model["metrics"].items():
        need(f"{metric} of {name}", estimate, ESTIMATE)
    for fold in model["folds"]:
        need(f"folds of {name}", fold, ("fold", *evaluation["metric_info"]))
    for rival, differences in model["versus"].items():
        need(f"{name} versus {rival}", differences, evaluation["metric_info"])
        for metric, difference in differences.items():
            need(f"{metric} of {name} versus {rival}", difference, ("difference", "low", "high"))


def check_audit(audit: Facts, verdicts: Iterable[str]) -> None:
    """Refuse an audit without a known outcome, or one in which a test or a feature is not whole.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("audit", audit, ("verdict", "said", "allowed", "tests", "features"))
    outcomes = tuple(verdicts)
    known("verdict of the audit", audit["verdict"], outcomes)
    for thing, rows in (("tests", audit["tests"]), ("audited features", audit["features"])):
        check_rows(thing, rows)
    for test in audit["tests"]:
        known(f"outcome of test {test['id']}", test["outcome"], AUDITED)
    for feature in audit["features"]:
        known(f"audit of {feature['name']}", feature["verdict"], outcomes)
        check_rows("failures", feature["failures"])


def check_folds(thing: str, found: Iterable[Facts], folds: Iterable[int]) -> None:
    """Refuse a table that does not have one row per fold of the receipts.

    Raises:
        DataError: Folds are missing or there are others.
    """
    here, wanted = [row["fold"] for row in found], list(folds)
    if here != wanted:
        raise DataError(
            f"report facts, {thing}",
            "is about other folds than the receipts",
            expected=wanted,
            found=here,
            do="build the report from datasets of the same run",
        )


def check_selection(selections: Iterable[Facts], stability: Facts) -> None:
    """Refuse selections that do not say what was kept, what was dropped and why, or how it was ranked.

    Raises:
        DataError: Something is missing, or a kept feature has no consensus rank.
    """
    need("stability of the selection", stability, ("estimate", "low", "high", "confidence", "features"))
    check_rows("stability", stability["features"])
    for selection in selections:
        check_rows("selections", [selection])
        need(f"consensus of fold {selection['fold']}", selection["consensus"], selection["kept"])


def check_rows(thing: str, rows: Iterable[object]) -> None:
    """Refuse a table of which a row lacks a column.

    Args:
        thing: Which table: a name in the table of columns below.
        rows: Its rows.

    Raises:
        DataError: A column is missing.
    """
    for row in rows:
        need(f"a row of {thing}", row, _ROWS[thing])


_ROWS: dict[str, tuple[str, ...]] = {
    "receipts": _RECEIPT,
    "importance": ("model", "feature", "mean", "std", "low", "high"),
    "trials": ("model", "number", "state", "score", "objective", "params"),
    "folds of an ensemble": ("fold", "fitted_on", "rows", "weights", "fallback", "accepted_on", "gain"),
    "folds of a calibration": ("fold", "fitted_on", "rows", "accepted_on", "accepted", "said"),
    "reliability": ("class", "p", "share", "low", "high", "rows"),
    "coverage": ("name", "rows", "coverage", "low", "high"),
    "shap_sample": ("model", "feature", "value", "shap"),
    "bundles": ("model", "bundle_id", "training"),
    "features": _FEATURE,
    "disabled": ("name", "reason"),
    "entities": ("entity", "first", "last", "rows"),
    "reasons": ("about", "said"),
    "class_shares": ("fold", "train", "test"),
    "fits": ("model", "fold", "what", "last_time_seen", "last_label_end", "test_start"),
    "selections": ("fold", "rows", "kept", "dropped", "ranks", "consensus"),
    "stability": ("name", "share", "mean_rank", "rank_spread"),
    "tests": ("id", "name", "procedure", "outcome", "found", "detectable"),
    "audited features": ("name", "verdict", "failures", "ic", "delayed_ic", "null_ic", "needed_warm_up"),
    "failures": ("test", "said"),
    "wanted": ("name", "unit", "wanted", "found", "low", "high", "status", "trivial", "note"),
    "rules": ("name", "said", "holds"),
    "pairs": ("model", "rival", "difference", "dm", "p", "said"),
    "breakdown": ("name", "rows", "timestamps", "ic", "accuracy"),
    "monthly": ("month", "ret"),
    "by_entity": ("name", "ret", "sharpe"),
    "stress": ("multiple", "sharpe", "annual_return"),
    "folds of a policy": ("fold", "test_start", "bars", "until", "chosen"),
}
