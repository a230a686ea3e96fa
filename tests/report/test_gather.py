"""From what the stages found to the facts of a page."""

from typing import Any

import polars as pl
import pytest

from assay.report import HeadFacts, ReportFacts
from assay.report.gather import head_findings, report_facts


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
    learning = {"preprocess": {"min_coverage": 0.7}}
    return {
        "plan": {"kind": "classification", "receipts": head.receipts, "learning": learning},
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


def notes_of(facts: ReportFacts, found: dict[str, Any], **replay: Any) -> list[str]:
    disabled = [
        {"name": "a", "reason": "no open"},
        {"name": "b", "reason": "no open"},
        {"name": "c", "reason": "no volume"},
    ]
    about = {
        "quality": {**facts.quality, "notes": ["An index is not tradable."]},
        "catalogue": {**facts.catalogue, "disabled": disabled},
        "manifest": facts.manifest,
        "replay": {"rows": 6, "timestamps": 3, "features_equal": True, "predictions_equal": True} | replay,
    }
    summary = {"verdict": facts.verdict, "primary": facts.primary}
    return list(report_facts("equity", summary=summary, about=about, findings={"signal": head_findings(**found)}).notes)


def test_notes_tell_what_a_reader_must_know(facts: ReportFacts, found: dict[str, Any]) -> None:
    notes = notes_of(facts, found)
    assert notes[0] == "An index is not tradable."
    assert "2 features are left out: no open." in notes
    assert "1 feature is left out: no volume." in notes
    assert "No funding is charged." in notes
    assert any(note.startswith("Replay of 6 rows at the 3 newest timestamps: ") for note in notes)
    assert any(note.startswith("2 configurations have had") for note in notes)


def test_one_is_not_written_as_several(facts: ReportFacts, found: dict[str, Any]) -> None:
    notes = notes_of(facts, found | {"outer_trials": [{"id": "x"}]}, rows=1, timestamps=1)
    assert any(note.startswith("Replay of 1 row at the 1 newest timestamp: ") for note in notes)
    assert any(note.startswith("1 configuration has had") for note in notes)


@pytest.mark.parametrize("broken", ["features_equal", "predictions_equal"])
def test_a_failed_replay_is_an_alarm(facts: ReportFacts, found: dict[str, Any], broken: str) -> None:
    assert any("Replay FAILED" in note for note in notes_of(facts, found, **{broken: False}))
