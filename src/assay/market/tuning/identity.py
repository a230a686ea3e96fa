"""The name of a study: a hash of everything that decides its trials."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path

from assay.market.prepared import content_hash
from assay.market.tuning.plan import TuningPlan
from assay.market.tuning.rows import Early

NO_MATTER = {"trials", "patience", "seconds", "processes", "objective"}  # these end a study, or are named otherwise


def study_name(early: Early, plan: TuningPlan) -> str:
    """Name of a study: its rows, parameters, the code here and its libraries.

    Trials that ran side by side depend on who finished first; a study of such trials is never one of the others.
    """
    recipe, budget = plan.recipe, plan.budget
    what = asdict(recipe) | {
        "code": _code(),
        "libraries": {name: import_module(name).__version__ for name in ("optuna", "polars", recipe.params.library)},
        "params": recipe.params.model_dump(mode="json", exclude={"threads"}),
        "weights": recipe.weights.model_dump(mode="json"),
        "features": [selection.kept for selection in plan.selections],
        "budget": budget.model_dump(mode="json", exclude=NO_MATTER),
        "side by side": budget.processes > 1,
        "embargo": str(plan.embargo),
        "objective": budget.objective.settings(recipe.kind),
    }
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    digest.update(content_hash(early.features, early.labels).encode())
    digest.update(early.rows.tobytes())
    return f"{recipe.params.kind}-{digest.hexdigest()[:24]}"


@cache
def _code() -> str:
    """Hash of the domain's own sources: what changes a score must not continue a study of the old ones."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
