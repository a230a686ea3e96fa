"""Stage reporting: the verdict hears the leak audit, and the page shows it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.evaluation import EvaluationRule
from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.trading import BacktestRule
from assay.market.verdict import VerdictRule
from assay.market.workload import Workload
from assay.pipelines.backtest import create_pipeline as books
from assay.pipelines.reporting import create_pipeline
from assay.pipelines.reporting.nodes import evaluate, judge, summarise
from assay.workloads import WORKLOADS

MONEY = ("ledger", "backtest", "outer_trials", "significance")
REPLAY = {"rows": 20, "timestamps": 10, "features_equal": True, "predictions_equal": True}
PRIMARY = Primary(head="signal", model="m")
WIDE = {"value": 0.03, "low": 0.01, "high": 0.05}


def audit(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "said": "Said.", "allowed": True, "tests": [], "features": []}


def findings(seen: str = "2019-12-01T00:00:00+00:00") -> dict[str, Any]:
    performance = {"sharpe": {"value": 1.0, "low": 0.5, "high": 1.5}, "exposure": 0.4}
    performance["timing_sharpe"] = performance["sharpe"]
    lead = {"direction_ic": WIDE | {"difference": 0.03}}
    model = {"role": "model", "metrics": {"direction_ic": WIDE}, "versus": {"zero": lead}}
    zero = {"role": "baseline", "metrics": {"direction_ic": {"value": 0.0, "low": -0.01, "high": 0.01}}, "versus": {}}
    evaluation = {
        "kind": "classification",
        "rows": 100,
        "effective_rows": 90.0,
        "confidence": 0.95,
        "horizon": 1,
        "entities": 2,
        "metric_info": {"direction_ic": {"label": "IC", "better": "higher", "unit": "", "definition": ""}},
        "models": {"m": model, "zero": zero},
        "skill": {"m": {"direction": {"ic": WIDE, "t_hac": 2.0}, "volatility": {}, "episodes": 50}},
    }
    book = {"performance": performance, "episodes": 50}
    contest = {"spa": {"p_consistent": 0.001, "models": 3}, "stepm": {"better": ["m"]}}
    fit = {"model": "m", "fold": 1, "what": "model", "last_time_seen": seen, "last_label_end": seen}
    return {
        "evaluation": evaluation,
        "backtest": dict.fromkeys(("m", "buy and hold"), book),
        "significance": {"models": {"m": {"dsr": 0.99}}, "trials": {"configurations": 3}},
        "seeds": {"model": "m", "ic": [0.02, 0.03, 0.04], "low": 0.02, "high": 0.04, "sd": 0.01},
        "contest": contest,
        "fits": [fit | {"test_start": "2020-01-01T00:00:00+00:00"}],
        "label_manifest": {"threshold_seen": None},
    }


def judged(verdict: str = "NONE FOUND", **found: Any) -> dict[str, Any]:
    rule = VerdictRule(universe="fixed")
    heads = {"signal": findings(), **found}
    nouns = {"metrics": "evaluation", "contest": "contest", "significance": "significance", "seeds": "seeds"}
    told = {f"signal.{noun}": heads["signal"][name] for noun, name in nouns.items()}
    lines = {
        "judged": EvaluationRule(),
        "traded": BacktestRule.model_validate({"costs": {"fee_bp": 1, "half_spread_bp": 1}}),
    }
    numbers = judge(
        primary=PRIMARY, rule=rule, **lines, **told, **{"signal.backtest": {"models": heads["signal"]["backtest"]}}
    )
    return summarise(primary=PRIMARY, judged=numbers, audit=audit(verdict), replay=REPLAY, **heads)


def test_a_clean_audit_leaves_the_level() -> None:
    summary = judged()
    assert summary["verdict"]["level"] == "evidence"
    assert [test["id"] for test in summary["audit"]["tests"]] == ["A4", "A7"]


def test_an_overridden_fail_takes_it() -> None:
    summary = judged("FAIL")
    assert summary["verdict"]["level"] == "implausible"
    assert "The numbers alone would say evidence" in summary["verdict"]["reasons"][0]["said"]
    assert summary["audit"]["verdict"] == "FAIL"


def test_a_fit_of_any_head_that_saw_its_test_fold_takes_it() -> None:
    summary = judged(other=findings(seen="2020-02-01T00:00:00+00:00"))
    assert summary["verdict"]["level"] == "implausible"


def test_every_contender_with_answers_is_evaluated_and_no_other() -> None:
    """An ensemble is not in the plan, and a model that was left out is not in the answers."""
    rng = np.random.default_rng(1)
    times = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(60)]
    y = rng.normal(size=60)
    answers = {"ridge": y + rng.normal(size=60), "stacking": y, "zero": np.zeros(60)}
    oos = pl.concat(
        pl.DataFrame(
            {"model": name, "entity": "A", "time": times, "fold": [1] * 30 + [2] * 30, "forward_return": y}
        ).with_columns(y_true=y, y_pred=out, lower=pl.lit(None, pl.Float64), upper=pl.lit(None, pl.Float64))
        for name, out in answers.items()
    )
    roles = {"ridge": "model", "mlp": "model", "zero": "baseline"}
    plan = Plan.model_validate(
        {"head": "r", "kind": "regression", "roles": roles, "horizon": 2, "execution": {}, "feature_set_id": "f"}
        | {"receipts": (), "learning": {}}
    )
    rule = EvaluationRule(replications=50, common_from_fold=1)
    bars = oos.filter(pl.col("model") == "ridge").select("entity", "time", close=100.0 + pl.col("y_true"))
    found = evaluate(oos, bars, plan.model_dump(mode="json"), rule)
    assert {name: told["role"] for name, told in found["models"].items()} == {
        "ridge": "model",
        "stacking": "model",
        "zero": "baseline",
    }
    bounded = oos.with_columns(lower=pl.col("y_pred") - 1, upper=pl.col("y_pred") + 1)
    assert evaluate(bounded, bars, plan.model_dump(mode="json"), rule) == found


def test_a_head_that_is_not_traded_has_no_books_and_is_reported_without() -> None:
    workload = replace(WORKLOADS[0], heads=(WORKLOADS[0].heads[0], replace(WORKLOADS[0].heads[1], traded=False)))
    money = {f"{workload.name}.{workload.heads[1].name}.{noun}" for noun in MONEY}
    assert books([workload]).all_outputs() == {f"{workload.name}.{workload.heads[0].name}.{noun}" for noun in MONEY}
    report = create_pipeline([workload])
    assert not money & report.inputs()
    assert f"{workload.name}.{workload.heads[0].name}.backtest" in report.inputs()
    assert f"{workload.name}.{workload.heads[1].name}.findings" in report.all_outputs()


def test_a_head_that_takes_no_part_is_neither_evaluated_nor_audited() -> None:
    plan = {"head": "r", "kind": "regression", "roles": {}, "horizon": 2, "execution": {}, "feature_set_id": "f"}
    plan |= {"receipts": (), "learning": {}, "absent": "these data have no open interest"}
    absent = evaluate(pl.DataFrame(), pl.DataFrame(), plan, EvaluationRule())
    assert absent == {"absent": "these data have no open interest"}
    [a7] = [test for test in judged(open_interest=absent)["audit"]["tests"] if test["id"] == "A7"]
    assert a7["outcome"] == "pass"


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_the_stage_reads_the_audit_the_fits_and_the_labels(workload: Workload) -> None:
    inputs = create_pipeline([workload]).inputs()
    nouns = ("fits", "labels", "plan", "left_out", "ensembles", "calibration", "explanation", "shap_values")
    heads = {f"{workload.name}.{head.name}.{noun}" for head in workload.heads for noun in nouns}
    assert {f"{workload.name}.audit", f"{workload.name}.replay"} | heads <= inputs
