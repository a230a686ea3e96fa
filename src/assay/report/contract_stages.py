"""What the stages right of the walk-forward test owe the page: ensembles, calibration, intervals, explanation."""

from collections.abc import Collection, Mapping
from typing import Any

from assay.report.contract import check_rows, known, need

Facts = Mapping[str, Any]

STATES = ("complete", "pruned", "failed")
_CONTENDER = ("kind", "members", "absent", "folds", "final")
_BREAKDOWNS = ("by_volatility", "by_entity", "by_month")
_COVERED = ("coverage", "low", "high", "mean_width", "infinite", "waiting", *_BREAKDOWNS)


def check_search(searches: Facts, trials: Collection[Facts]) -> None:
    """Refuse trials of a state nobody knows, or of a search that is not described.

    Raises:
        DataError: Something is missing or unknown.
    """
    check_rows("trials", trials)
    for trial in trials:
        known(f"state of trial {trial['number']} of {trial['model']}", trial["state"], STATES)
    need("searches", searches, dict.fromkeys(trial["model"] for trial in trials))
    for model, search in searches.items():
        need(f"search of {model}", search, ("stopped", "spans"))


def check_ensembles(ensembles: Facts, models: Collection[str]) -> None:
    """Refuse an ensemble that was not evaluated, or one that does not say what it is made of.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("ensembles", ensembles, ("contenders", "left_out", "fits"))
    check_rows("fits", ensembles["fits"])
    for name, found in ensembles["contenders"].items():
        known("ensemble", name, models)
        need(f"ensemble {name}", found, _CONTENDER)
        check_rows("folds of an ensemble", [*found["folds"], {"fold": None, **found["final"]}])


def check_calibration(calibration: Facts, kind: str, models: Collection[str]) -> None:
    """Refuse a calibration, or intervals, of another kind of head, or of models that were not evaluated.

    Raises:
        DataError: Something is missing or unknown.
    """
    need("calibration", calibration, ("kind", "method", "models", "fits"))
    known("kind of the calibration", calibration["kind"], (kind,))
    check_rows("fits", calibration["fits"])
    if kind == "regression":
        need("calibration", calibration, ("coverage",))
    for name, found in calibration["models"].items():
        known("calibrated model", name, models)
        (_check_probabilities if kind == "classification" else _check_intervals)(name, found)


def _check_probabilities(name: str, found: Facts) -> None:
    need(f"calibration of {name}", found, ("folds", "brier", "reliability", "ece"))
    need(f"Brier scores of {name}", found["brier"], ("raw", "calibrated"))
    need(f"calibration error of {name}", found["ece"], ("value", "null_95", "said"))
    check_rows("folds of a calibration", found["folds"])
    check_rows("reliability", found["reliability"])


def _check_intervals(name: str, found: Facts) -> None:
    need(f"intervals of {name}", found, _COVERED)
    for part in _BREAKDOWNS:
        check_rows("coverage", found[part])


def check_explanation(explanation: Facts, sample: Collection[Facts]) -> None:
    """Refuse an explanation without models, or a sample of it that lacks a column.

    Raises:
        DataError: Something is missing.
    """
    need("explanation", explanation, ("models", "left_out"))
    check_rows("shap_sample", sample)
