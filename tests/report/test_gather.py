"""From what the stages found to the facts of a page."""

from typing import Any

import polars as pl
import pytest

from assay.report.gather import head_findings, report_facts


@pytest.fixture
def found() -> dict[str, Any]:
    importance = pl.DataFrame(
        {
            "model": ["m", "m", "m", "z"],
            "fold": [1, 1, 2, 1],
            "feature": ["a", "b", "a", "a"],
            "importance": [0.6, 0.4, 1.0, 0.5],
        }
    )
    evaluation = {"models": {"m": {"role": "model", "metrics": {}}}, "metric_info": {}}
    return {
        "plan": {"kind": "classification", "receipts": []},
        "metrics": evaluation,
        "backtest": {"models": {"m": {}}, "costs": {"fee_bp": 1.0}, "funding": "No funding is charged."},
        "importance": importance,
        "label_manifest": {"rows": 3},
        "best_params": {"m": {"values": {"depth": 3}, "trials": ["s-0", "s-1"]}},
        "model_index": [{"model": "m"}],
        "inner_trials": [{"id": "old-0"}, {"id": "s-0"}, {"id": "s-1"}],
        "outer_trials": [{"id": "x"}, {"id": "y"}],
    }


def test_only_the_trials_of_this_run_are_shown(found: dict[str, Any]) -> None:
    assert [trial["id"] for trial in head_findings(**found)["trials"]] == ["s-0", "s-1"]


def test_every_configuration_ever_is_counted(found: dict[str, Any]) -> None:
    assert head_findings(**found)["outer_trials"] == 2


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


def notes_of(found: dict[str, Any], **replay: bool) -> list[str]:
    about = {
        "quality": {"notes": ["An index is not tradable."]},
        "catalogue": {"disabled": [{"name": "a", "reason": "no open"}, {"name": "b", "reason": "no open"}]},
        "manifest": {},
        "replay": {"rows": 6, "timestamps": 3, "features_equal": True, "predictions_equal": True} | replay,
    }
    verdict = {"level": "weak", "headline": "", "reasons": [], "wanted": []}
    summary = {"verdict": verdict, "primary": {"head": "signal", "model": "m", "metric": "direction_ic"}}
    return list(report_facts("equity", summary=summary, about=about, findings={"signal": head_findings(**found)}).notes)


def test_notes_tell_what_a_reader_must_know(found: dict[str, Any]) -> None:
    notes = notes_of(found)
    assert notes[0] == "An index is not tradable."
    assert "2 features are left out: no open." in notes
    assert "No funding is charged." in notes
    assert any(note.startswith("Replay: 6 rows at the newest 3 timestamps") for note in notes)
    assert any(note.startswith("2 configurations") for note in notes)


@pytest.mark.parametrize("broken", ["features_equal", "predictions_equal"])
def test_a_failed_replay_is_an_alarm(found: dict[str, Any], broken: str) -> None:
    assert any("Replay FAILED" in note for note in notes_of(found, **{broken: False}))
