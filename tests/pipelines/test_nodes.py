"""Nodes: each adapts one call of the market, and takes from the plan what all stages must agree on."""

import ast
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl
import pytest
from optuna.storages import InMemoryStorage

from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.models import ModelParams
from assay.market.plan import Learning, Plan, Profile
from assay.market.prepared import content_hash, split_input
from assay.market.selection import Selection
from assay.market.splits import SplitRule
from assay.market.tables import LABELS
from assay.market.tuning import Budget, TuningPlan, TuningResult
from assay.pipelines.training import nodes as training
from assay.pipelines.tuning import nodes as tuning
from assay.pipelines.walk_forward import nodes as walk_forward

Document = dict[str, Any]

STAGES = (
    *("backtest", "ensemble", "explanation", "feature_engineering", "leak_audit", "predict", "selection"),
    *("training", "tuning", "walk_forward"),
)
MOST_LINES = 15
LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
RIDGE = ModelParams.model_validate({"kind": "ridge", "search": {"alpha": {"low": 1, "high": 1000}}})

MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
CHOSEN = Selection(rows=9, last_time_seen=MOMENT, last_label_end=MOMENT, kept=("a",), dropped={})
NO_ROWS = pl.DataFrame(schema=LABELS)


def bodies(path: Path) -> list[ast.FunctionDef]:
    return [step for step in ast.parse(path.read_text()).body if isinstance(step, ast.FunctionDef)]


@pytest.mark.parametrize("stage", STAGES)
def test_nodes_are_short_and_have_no_loops(stage: str, root: Path) -> None:
    steps = bodies(root / "src" / "assay" / "pipelines" / stage / "nodes.py")
    assert steps
    assert [s.name for s in steps if (s.end_lineno or 0) - s.body[0].lineno >= MOST_LINES] == []
    assert [s.name for s in steps if any(isinstance(part, LOOPS) for part in ast.walk(s))] == []


def plan_for(model_input: pl.DataFrame, learning: Learning) -> Plan:
    return Plan(
        head="target",
        kind="regression",
        roles={"ridge": "model"},
        horizon=3,
        execution=Execution(),
        feature_set_id="set-1",
        receipts=(),
        learning=learning,
        selections={"inner 1": CHOSEN, "inner 2": CHOSEN},
        rows=content_hash(*split_input(model_input)),
    )


FITS: tuple[Callable[[Document], Any], ...] = (
    lambda plan: tuning.search(NO_ROWS, plan, InMemoryStorage(), RIDGE, model="ridge"),
    lambda plan: walk_forward.validate(NO_ROWS, plan, {}, RIDGE, model="ridge"),
    lambda plan: training.fit(NO_ROWS, plan, {}, RIDGE, model="ridge"),
)


@pytest.mark.parametrize("fit", FITS, ids=["tuning", "walk_forward", "training"])
def test_nothing_is_fitted_to_rows_that_the_plan_was_not_made_for(fit: Callable[[Document], Any]) -> None:
    """A stage that is run by itself, with an old plan, would go round the leak audit."""
    other = plan_for(NO_ROWS.with_columns(pl.lit(0.0, pl.Float32).alias("leak")), Learning())
    with pytest.raises(DataError, match="not the one that its plan was made for"):
        fit(other.model_dump(mode="json"))


@pytest.mark.parametrize(("seed", "embargo"), [(0, 0), (5, 3)])
def test_the_search_takes_seed_and_embargo_from_the_plan(
    seed: int, embargo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Profile(tuning=Budget(trials=3))
    fixed = plan_for(NO_ROWS, Learning(seed=seed, splits=SplitRule(embargo=embargo), profiles={"quick": quick}))
    asked: list[TuningPlan] = []

    def tune(*_: Any, plan: TuningPlan, **_rest: Any) -> TuningResult:
        asked.append(plan)
        return TuningResult({}, [])

    monkeypatch.setattr(tuning, "tune", tune)
    found = tuning.search(NO_ROWS, fixed.model_dump(mode="json"), InMemoryStorage(), RIDGE, model="ridge")
    assert found == asdict(TuningResult({}, []))
    assert asked[0].clock is monotonic
    assert (asked[0].recipe.seed, asked[0].embargo, asked[0].budget.trials) == (seed, embargo, 3)
    assert asked[0].selections == (CHOSEN, CHOSEN)
