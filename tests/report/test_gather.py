"""From what the stages found to the facts of a page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.primary import Primary
from assay.market.selection import SelectionRule, stability
from assay.market.splits import Receipt
from assay.market.tables import LABELS
from assay.report import HeadFacts, ReportFacts
from assay.report.gather import SHAP_FEATURES, SHAP_ROWS, head_findings, report_facts, shap_sample

START = datetime(2020, 1, 1, tzinfo=UTC)


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


SPANS = {
    "max_depth": {"low": 3.0, "high": 8.0, "log": False},
    "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
}


def shap_values(models: list[str], rows: int) -> pl.DataFrame:
    """Twenty features on ``rows`` rows of each of two folds, the rows of the table in no order."""
    names = [f"alpha_{n}" for n in range(1, 21)]
    keys = [(fold, START + timedelta(days=10 * fold + n)) for fold in (1, 2) for n in range(rows)]
    table = pl.DataFrame(
        [
            (m, fold, "A", time, f, float(n), 0.001 * n)
            for m in models
            for n, (fold, time) in enumerate(keys)
            for f in names
        ],
        schema={
            **{"model": pl.String, "fold": pl.Int32, "entity": pl.String, "time": pl.Datetime("us", "UTC")},
            **{"feature": pl.String, "value": pl.Float32, "shap": pl.Float32},
        },
        orient="row",
    )
    return table.sample(fraction=1, shuffle=True, seed=1)


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
    trial = {"model": "m", "number": 0, "state": "complete", "score": 0.1, "objective": "log_loss", "params": {}}
    fit = {**head.fits[0], "model": "stacking", "what": "ensemble"}
    plan = plan_of(head)
    return {
        "plan": plan.model_dump(mode="json"),
        "labels": labels_of(plan.receipts[0]),
        "fits": head.fits,
        "metrics": head.evaluation,
        "backtest": {"models": head.backtest, "said": "Turnover pays 1 bp.", "funding": "No funding is charged."},
        "importance": importance,
        "label_manifest": head.label_manifest,
        "best_params": {
            "m": {
                "values": {"max_depth": 3},
                "trials": ["s-0", "s-1"],
                "stopped": "patience",
                "params": {"search": SPANS},
            },
            "z": {"values": {}, "trials": [], "stopped": None, "params": {"search": {}}},
        },
        "model_index": head.bundles,
        "inner_trials": [trial | {"id": name} for name in ("old-0", "s-0", "s-1")],
        "primary": Primary(head="signal", model="xgboost"),
        "ensembles": {**head.ensembles, "fits": [fit]},
        "calibration": {**head.calibration, "fits": [fit | {"what": "calibration"}]},
        "explanation": head.explanation,
        "shap_values": shap_values(["xgboost", "lightgbm"], rows=6),
        "left_out": head.left_out,
        **{name: getattr(head, name) for name in ("contest", "significance", "seeds")},
    }


MONEY = ("backtest", "significance")


def tried(found: dict[str, Any], count: int) -> dict[str, Any]:
    told = found["significance"]
    return found | {"significance": {**told, "trials": {**told["trials"], "configurations": count}}}


def test_only_the_trials_of_this_run_are_shown(found: dict[str, Any]) -> None:
    assert [trial["id"] for trial in head_findings(**found)["trials"]] == ["s-0", "s-1"]


def test_every_configuration_ever_is_counted(found: dict[str, Any]) -> None:
    assert head_findings(**tried(found, 41))["outer_trials"] == 41


def test_findings_are_the_facts_of_a_head(found: dict[str, Any]) -> None:
    head = HeadFacts(**head_findings(**tried(found, 2)))
    assert (head.outer_trials, head.min_coverage) == (2, 0.7)
    assert head.best_params == {"m": {"max_depth": 3}}
    assert (head.profile, head.traded, set(head.left_out)) == ("quick", True, {"mlp", "lstm"})


def test_a_search_tells_what_it_could_try_and_why_it_stopped(found: dict[str, Any]) -> None:
    assert head_findings(**found)["searches"] == {"m": {"stopped": "patience", "spans": SPANS}}


def test_fits_are_those_of_models_ensembles_and_calibration(facts: ReportFacts, found: dict[str, Any]) -> None:
    fits = head_findings(**found)["fits"]
    assert fits[:-2] == facts.heads["signal"].fits
    assert [fit["what"] for fit in fits[-2:]] == ["ensemble", "calibration"]


def test_a_head_that_is_not_traded_has_findings_without_money(found: dict[str, Any]) -> None:
    told = head_findings(**{name: part for name, part in found.items() if name not in MONEY})
    head = HeadFacts(**told)
    assert (head.traded, head.backtest, head.costs, head.outer_trials) == (False, {}, "", 0)


def test_what_an_untraded_head_tried_is_said_not_to_count(facts: ReportFacts, found: dict[str, Any]) -> None:
    untraded = {name: part for name, part in found.items() if name not in MONEY}
    said = " Those of heads that are not traded do not count."
    for told, ends in ((found, False), (untraded, True)):
        assert any(note.endswith(said) for note in notes_of(facts, told)) is ends


def test_a_head_without_data_takes_no_part(facts: ReportFacts, found: dict[str, Any]) -> None:
    nothing = head_findings(**found | {"plan": found["plan"] | {"absent": "no open interest"}})
    assert nothing == {"absent": "no open interest"}
    summary = {"verdict": facts.verdict, "primary": facts.primary, "audit": facts.audit}
    findings = {"signal": head_findings(**found), "open_interest": nothing}
    told = report_facts("equity", summary=summary, about=about_run(facts), findings=findings)
    assert (set(told.heads), told.absent) == ({"signal"}, {"open_interest": "no open interest"})


@pytest.mark.parametrize(
    ("primary", "shown"),
    [
        (Primary(head="signal", model="lightgbm"), "lightgbm"),
        (Primary(head="signal", model="stacking"), "xgboost"),  # an ensemble is not explained: the best one that is
        (Primary(head="other", model="lightgbm"), "xgboost"),
    ],
    ids=["declared", "ensemble", "another head"],
)
def test_the_explanation_shown_is_that_of_the_declared_model(
    found: dict[str, Any], primary: Primary, shown: str
) -> None:
    sample = head_findings(**found | {"primary": primary})["shap_sample"]
    assert {row["model"] for row in sample} == {shown}


def test_a_sample_of_shap_values_holds_the_largest_features_on_the_same_rows(facts: ReportFacts) -> None:
    explanation = facts.heads["signal"].explanation
    sample = shap_sample(shap_values(["xgboost", "lightgbm"], rows=300), explanation, "xgboost")
    features = list(dict.fromkeys(row["feature"] for row in sample))
    assert features == [f"alpha_{n}" for n in range(1, SHAP_FEATURES + 1)]
    by_feature = [[row["value"] for row in sample if row["feature"] == feature] for feature in features]
    assert all(len(values) == SHAP_ROWS and values == by_feature[0] for values in by_feature)
    assert by_feature[0] == sorted(by_feature[0])
    assert (by_feature[0][0], by_feature[0][-1]) == (0.0, 599.0)
    assert all(row["shap"] == pytest.approx(0.001 * row["value"], rel=1e-4) for row in sample)


def test_nothing_is_sampled_where_no_model_is_explained(found: dict[str, Any]) -> None:
    nothing = {"models": {}, "left_out": {}}
    assert head_findings(**found | {"explanation": nothing})["shap_sample"] == []


def test_values_that_are_not_known_are_none(facts: ReportFacts) -> None:
    values = shap_values(["xgboost"], rows=2).with_columns(value=pl.lit(float("nan"), pl.Float32))
    sample = shap_sample(values, facts.heads["signal"].explanation, "xgboost")
    assert {row["value"] for row in sample} == {None}


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


def test_class_shares_are_those_of_the_labelled_rows_of_each_part(found: dict[str, Any]) -> None:
    first = head_findings(**found)["class_shares"][0]
    assert first["train"] == {"SHORT": 0.25, "NEUTRAL": 0.25, "LONG": 0.5}
    assert first["test"] == {"SHORT": 0.0, "NEUTRAL": 0.5, "LONG": 0.5}
    returns = found["plan"] | {"kind": "regression"}
    assert head_findings(**found | {"plan": returns})["class_shares"] == []


def test_models_that_take_part_in_no_fit_are_a_note(facts: ReportFacts, found: dict[str, Any]) -> None:
    assert "MLP and LSTM: left out by the profile quick." in notes_of(facts, found)


def about_run(facts: ReportFacts, **replay: Any) -> dict[str, Any]:
    return {
        "quality": {**facts.quality, "notes": ["An index is not tradable."]},
        "catalogue": facts.catalogue,
        "manifest": facts.manifest,
        "null_calibration": facts.null_calibration,
        "replay": {"rows": 6, "timestamps": 3, "features_equal": True, "predictions_equal": True} | replay,
    }


LEFT_OUT = [
    {"name": "a", "reason": "no open"},
    {"name": "b", "reason": "no open"},
    {"name": "c", "reason": "no volume"},
]


def notes_of(
    facts: ReportFacts, found: dict[str, Any], *, disabled: list[dict[str, str]] = LEFT_OUT, **replay: Any
) -> list[str]:
    about = about_run(facts, **replay) | {"catalogue": {**facts.catalogue, "disabled": disabled}}
    summary = {"verdict": facts.verdict, "primary": facts.primary, "audit": facts.audit}
    return list(report_facts("equity", summary=summary, about=about, findings={"signal": head_findings(**found)}).notes)


def test_notes_tell_what_a_reader_must_know(facts: ReportFacts, found: dict[str, Any]) -> None:
    notes = notes_of(facts, tried(found, 2))
    assert notes[0] == "An index is not tradable."
    assert "2 features are left out: no open." in notes
    assert "1 feature is left out: no volume." in notes
    assert "Turnover pays 1 bp. No funding is charged." in notes
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
    notes = notes_of(facts, tried(found, 1), rows=1, timestamps=1)
    assert any(note.startswith("Replay of 1 row at the 1 newest timestamp: ") for note in notes)
    assert any(note.startswith("1 configuration has had") for note in notes)


@pytest.mark.parametrize("broken", ["features_equal", "predictions_equal"])
def test_a_failed_replay_is_an_alarm(facts: ReportFacts, found: dict[str, Any], broken: str) -> None:
    assert any("Replay FAILED" in note for note in notes_of(facts, found, **{broken: False}))
