"""The results of all models of a head, brought together."""

from collections.abc import Mapping
from typing import Any


def collect_trials(found: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Bring the results of all models of a head together.

    Args:
        found: By model a `TuningResult` as a document.

    Returns:
        By model the best ``values``, the ids of the ``trials`` they were chosen from, what these have ``seen``, what
        ``stopped`` the search, and its ``params`` as configured, the ranges that were searched among them. All trials,
        pruned and failed ones too, as records of the trial ledger, with ``model`` and ``scope`` inner.
    """
    best = {
        model: {
            "values": result["best"],
            "trials": [trial["id"] for trial in result["trials"]],
            "seen": result["seen"],
            "stopped": result["stopped"],
            "params": result["params"],
        }
        for model, result in found.items()
    }
    records = [
        {"model": model, "scope": "inner", **trial} for model, result in found.items() for trial in result["trials"]
    ]
    return best, records
