"""Models that take part in no fit hand on a reason."""

from datetime import UTC, datetime

import polars as pl
import pytest

from assay.market.left_out import bundle_of_none, left_out, present, reasons, shelve, unshelve
from assay.market.models import ModelParams
from assay.market.plan import Learning, Plan, Profile, choose_features, make_plan
from assay.market.prepared import assemble
from assay.market.tables import KEY, LABELS, stack_by_model
from assay.market.walk_forward import collect_fits, importance_table, no_predictions
from assay.market.workload import Head, Kind

BUNDLES = {"lstm": bundle_of_none("no torch"), "ridge": {"recipe.json": b"{}"}}


def test_a_reason_stands_where_a_model_would() -> None:
    assert left_out(BUNDLES["lstm"]) == "no torch"
    assert left_out(BUNDLES["ridge"]) is None
    assert present(BUNDLES) == {"ridge": BUNDLES["ridge"]}
    assert reasons(BUNDLES) == {"lstm": "no torch"}
    assert importance_table(BUNDLES["lstm"]).is_empty()
    assert collect_fits({"lstm": BUNDLES["lstm"]}) == []


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_no_predictions_stack_with_those_of_others(kind: Kind) -> None:
    assert stack_by_model({"lstm": no_predictions(kind), "mlp": no_predictions(kind)}).height == 0


def plan(**learning: object) -> Plan:
    told = {"head": "signal", "kind": "regression", "roles": {"ridge": "model", "zero": "baseline"}, "horizon": 1}
    rest = {"execution": {}, "feature_set_id": "x", "receipts": (), "learning": Learning(**learning)}  # type: ignore[arg-type]
    return Plan.model_validate(told | rest)


def test_the_profile_of_the_run_and_missing_packages_leave_models_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ridge = ModelParams.model_validate({"kind": "ridge"})
    profiles = {"quick": Profile(leave_out=("ridge",)), "full": Profile()}
    assert plan(profiles=profiles).left_out("ridge", ridge) == "left out by the profile quick"
    assert plan(profiles=profiles, profile="full").left_out("ridge", ridge) is None
    monkeypatch.setattr(type(ridge.root), "library", "no_such_library")
    assert "no_such_library is not installed; `make run`" in str(plan().left_out("ridge", ridge))


def test_a_profile_must_be_one_of_the_profiles() -> None:
    with pytest.raises(ValueError, match=r"profile: 'fast' is none of the profiles \['quick'\]"):
        Learning(profile="fast")


def test_what_is_made_of_the_answers_of_others_is_a_model() -> None:
    predictions = pl.DataFrame({"model": ["zero", "stacking", "ridge", "ridge"]})
    assert plan().present(predictions) == {"zero": "baseline", "stacking": "model", "ridge": "model"}


def test_a_head_whose_data_are_absent_has_no_folds_and_no_models() -> None:
    times = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)]
    features = pl.DataFrame({"entity": ["A", "A"], "time": times, "a": [1.0, 2.0]})
    unknown = [pl.lit(None, dtype).alias(name) for name, dtype in LABELS.items() if name not in KEY]
    labels = features.select("entity", "time", *unknown)
    head = Head("interest", "regression", ("ridge",), ("zero",), traded=False)
    manifest = {"horizon": 3, "execution": {}, "absent": "these data have no interest"}
    planned = choose_features(features, labels, make_plan(head, labels, manifest, "x", Learning()))
    assert planned.receipts == ()
    assert planned.selections == {}
    assert planned.left_out("ridge", ModelParams.model_validate({"kind": "ridge"})) == manifest["absent"]
    assert planned.open(assemble(features, labels))[0].equals(features)


def test_bundles_come_off_the_shelf_as_they_were_put_there() -> None:
    folds = {"ridge": {"fold_1/recipe.json": b"{}", "fold_2/recipe.json": b"[]"}, "lstm": BUNDLES["lstm"]}
    assert unshelve(shelve(folds)) == folds
    assert "ridge/fold_2/recipe.json" in shelve(folds)
