"""From what the stages found to the facts of a page."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.selection import SelectionRule, stability
from assay.market.splits import Receipt
from assay.market.tables import LABELS
from assay.report import HeadFacts, ReportFacts
from assay.report.gather import head_findings, report_facts


def plan_of(head: HeadFacts) -> Plan:
    """The plan that a head of the sample facts would have had."""
    selections = [{name: value for name, value in one.items() if name != "fold"} for one in head.selections]
    return Plan.model_validate(
        {
            "head": "signal",
            "kind": "classification",
            "roles": {"m": "model"},
            "horizon": 5,
            "execution": Execution(),
            "feature_set_id": "x",
            "receipts": head.receipts,
            "learning": Learning(selection=SelectionRule(min_coverage=0.7)),
            "selections": {f"fold {fold}": selection for fold, selection in enumerate(selections, start=1)}
            | {"all": selections[0], "inner 1": selections[0]},
        }
    )


def labels_of(receipt: Receipt) -> pl.DataFrame:
    """Four training rows, one row in the gap and three test rows, one of them without a label."""
    train, test, day = receipt.train_end - timedelta(days=9), receipt.test_start, timedelta(days=1)
    rows: list[tuple[datetime, datetime | None, int | None]] = [
        *(
            (train + n * day, receipt.last_train_label_end - (4 - n) * day, label)
            for n, label in enumerate((-1, 1, 1, 0))
        ),
        (receipt.last_train_label_end, test + day, -1),
        *((test + n * day, test + (n + 5) * day, label) for n, label in enumerate((0, 1))),
        (test + 2 * day, None, None),
    ]
    columns = {
        "entity": ["A"] * len(rows),
        "time": [time for time, _, _ in rows],
        "start": [time + day for time, _, _ in rows],
        "label_end": [end for _, end, _ in rows],
        "forward_return": [None if label is None else 0.01 * label for *_, label in rows],
        "scale": [0.02] * len(rows),
        "label": [label for *_, label in rows],
    }
    return pl.DataFrame(columns, schema=LABELS)


@pytest.fixture
def found(facts: ReportFacts) -> dict[str, Any]:
    head = facts.heads["signal"]
    importance = pl.DataFrame(
        {
            "model": ["m", "m", "m", "z"],
            "fold": [1, 1, 2, 1],
            "feature": ["a", "b", "a", "a"],
            "importance": [0.6, 0.4, 1.0, 0.5],
        }
    )
    trial = {"model": "m", "number": 0, "score": 0.1, "objective": "log_loss", "params": {}}
    plan = plan_of(head)
    return {
        "plan": plan.model_dump(mode="json"),
        "labels": labels_of(plan.receipts[0]),
        "fits": head.fits,
        "metrics": head.evaluation,
        "backtest": {"models": head.backtest, "costs": {"fee_bp": 1.0}, "funding": "No funding is charged."},
        "importance": importance,
        "label_manifest": head.label_manifest,
        "best_params": {"m": {"values": {"depth": 3}, "trials": ["s-0", "s-1"]}},
        "model_index": head.bundles,
        "inner_trials": [trial | {"id": name} for name in ("old-0", "s-0", "s-1")],
        "outer_trials": [{"id": "x"}, {"id": "y"}],
    }


def test_only_the_trials_of_this_run_are_shown(found: dict[str, Any]) -> None:
    assert [trial["id"] for trial in head_findings(**found)["trials"]] == ["s-0", "s-1"]


def test_every_configuration_ever_is_counted(found: dict[str, Any]) -> None:
    assert head_findings(**found)["outer_trials"] == 2


def test_findings_are_the_facts_of_a_head(found: dict[str, Any]) -> None:
    head = HeadFacts(**head_findings(**found))
    assert (head.outer_trials, head.min_coverage) == (2, 0.7)
    assert head.best_params == {"m": {"depth": 3}}


def test_importance_is_taken_over_all_folds_also_those_without_the_feature(found: dict[str, Any]) -> None:
    told = {(row["model"], row["feature"]): row for row in head_findings(**found)["importance"]}
    assert told["m", "a"] == pytest.approx(
        {"model": "m", "feature": "a", "mean": 0.8, "std": 0.2, "low": 0.6, "high": 1.0}
    )
    assert told["m", "b"] == pytest.approx(
        {"model": "m", "feature": "b", "mean": 0.2, "std": 0.2, "low": 0.0, "high": 0.4}
    )
    assert told["z", "a"] == pytest.approx(
        {"model": "z", "feature": "a", "mean": 0.5, "std": 0.0, "low": 0.5, "high": 0.5}
    )


def test_selections_and_stability_are_those_of_the_outer_folds(facts: ReportFacts, found: dict[str, Any]) -> None:
    told, head = head_findings(**found), facts.heads["signal"]
    assert [one["fold"] for one in told["selections"]] == [1, 2, 3, 4, 5]
    assert [set(one["kept"]) for one in told["selections"]] == [set(one["kept"]) for one in head.selections]
    assert told["stability"] == stability(Plan.model_validate(found["plan"]).selections)
    assert told["fits"] == head.fits


def test_class_shares_are_those_of_the_labelled_rows_of_each_part(found: dict[str, Any]) -> None:
    first = head_findings(**found)["class_shares"][0]
    assert first["train"] == {"SHORT": 0.25, "NEUTRAL": 0.25, "LONG": 0.5}
    assert first["test"] == {"SHORT": 0.0, "NEUTRAL": 0.5, "LONG": 0.5}
    returns = found["plan"] | {"kind": "regression"}
    assert head_findings(**found | {"plan": returns})["class_shares"] == []


LEFT_OUT = [
    {"name": "a", "reason": "no open"},
    {"name": "b", "reason": "no open"},
    {"name": "c", "reason": "no volume"},
]


def notes_of(
    facts: ReportFacts, found: dict[str, Any], *, disabled: list[dict[str, str]] = LEFT_OUT, **replay: Any
) -> list[str]:
    about = {
        "quality": {**facts.quality, "notes": ["An index is not tradable."]},
        "catalogue": {**facts.catalogue, "disabled": disabled},
        "manifest": facts.manifest,
        "replay": {"rows": 6, "timestamps": 3, "features_equal": True, "predictions_equal": True} | replay,
    }
    summary = {"verdict": facts.verdict, "primary": facts.primary, "audit": facts.audit}
    return list(report_facts("equity", summary=summary, about=about, findings={"signal": head_findings(**found)}).notes)


def test_notes_tell_what_a_reader_must_know(facts: ReportFacts, found: dict[str, Any]) -> None:
    notes = notes_of(facts, found)
    assert notes[0] == "An index is not tradable."
    assert "2 features are left out: no open." in notes
    assert "1 feature is left out: no volume." in notes
    assert "No funding is charged." in notes
    assert any(note.startswith("Replay of 6 rows at the 3 newest timestamps: ") for note in notes)
    assert any(note.startswith("2 configurations have had") for note in notes)


def test_only_the_commonest_reasons_for_left_out_features_are_notes(facts: ReportFacts, found: dict[str, Any]) -> None:
    reasons = ("rare", "common", "common", "usual", "usual", "usual", "other")
    disabled = [{"name": f"f{place}", "reason": reason} for place, reason in enumerate(reasons)]
    notes = notes_of(facts, found, disabled=disabled)
    assert notes[1:4] == [
        "3 features are left out: usual.",
        "2 features are left out: common.",
        "2 more are left out; each with its reason under Features.",
    ]


def test_one_is_not_written_as_several(facts: ReportFacts, found: dict[str, Any]) -> None:
    notes = notes_of(facts, found | {"outer_trials": [{"id": "x"}]}, rows=1, timestamps=1)
    assert any(note.startswith("Replay of 1 row at the 1 newest timestamp: ") for note in notes)
    assert any(note.startswith("1 configuration has had") for note in notes)


@pytest.mark.parametrize("broken", ["features_equal", "predictions_equal"])
def test_a_failed_replay_is_an_alarm(facts: ReportFacts, found: dict[str, Any], broken: str) -> None:
    assert any("Replay FAILED" in note for note in notes_of(facts, found, **{broken: False}))
