"""Stage reporting: the verdict hears the leak audit, and the page shows it."""

from typing import Any

import pytest

from assay.market.verdict import Primary, VerdictRule
from assay.market.workload import Workload
from assay.pipelines.reporting import create_pipeline
from assay.pipelines.reporting.nodes import judge
from assay.workloads import WORKLOADS

REPLAY = {"rows": 20, "timestamps": 10, "features_equal": True, "predictions_equal": True}
PRIMARY = Primary(head="signal", model="m")
WIDE = {"value": 0.03, "low": 0.01, "high": 0.05}


def audit(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "said": "Said.", "allowed": True, "tests": [], "features": []}


def findings(seen: str = "2019-12-01T00:00:00+00:00") -> dict[str, Any]:
    performance = {"sharpe": {"value": 1.0, "low": 0.5, "high": 1.5}, "exposure": 0.4}
    performance["timing_sharpe"] = performance["sharpe"]
    model = {"role": "model", "metrics": {"direction_ic": WIDE}, "versus": {}}
    evaluation = {
        "kind": "classification",
        "rows": 100,
        "effective_rows": 90.0,
        "confidence": 0.95,
        "horizon": 1,
        "entities": 2,
        "metric_info": {"direction_ic": {"label": "IC", "better": "higher", "unit": "", "definition": ""}},
        "models": {"m": model},
        "skill": {"m": {"direction": {"ic": WIDE, "t_hac": 2.0}, "volatility": {}}},
    }
    fit = {"model": "m", "fold": 1, "what": "model", "last_time_seen": seen, "last_label_end": seen}
    return {
        "evaluation": evaluation,
        "backtest": {name: {"performance": performance} for name in ("m", "buy and hold")},
        "fits": [fit | {"test_start": "2020-01-01T00:00:00+00:00"}],
        "label_manifest": {"threshold_seen": None},
    }


def judged(verdict: str = "NONE FOUND", **found: Any) -> dict[str, Any]:
    rule = VerdictRule(universe="fixed")
    return judge(primary=PRIMARY, rule=rule, audit=audit(verdict), replay=REPLAY, **{"signal": findings(), **found})


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


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_the_stage_reads_the_audit_the_fits_and_the_labels(workload: Workload) -> None:
    inputs = create_pipeline([workload]).inputs()
    heads = {f"{workload.name}.{head.name}.{noun}" for head in workload.heads for noun in ("fits", "labels", "plan")}
    assert {f"{workload.name}.audit", f"{workload.name}.replay"} | heads <= inputs
