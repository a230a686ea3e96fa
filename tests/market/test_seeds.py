"""The primary fitted again with other seeds: the same folds, features and parameters, other luck."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import walk_forward
from assay.market.ensembles import EnsembleRules, combine
from assay.market.errors import BundleError, DataError
from assay.market.evaluation import out_of_sample_scores
from assay.market.execution import Execution
from assay.market.left_out import bundle_of_none
from assay.market.models import ModelParams
from assay.market.plan import Learning, Plan, choose_features, make_plan
from assay.market.prepared import assemble
from assay.market.primary import Primary
from assay.market.seeds import Walked, reseed
from assay.market.selection import SelectionRule
from assay.market.splits import SplitRule
from assay.market.tables import stack_by_model
from assay.market.workload import Head

SMALL = {"kind": "random_forest", "min_samples_leaf": 5, "threads": 1}
FOREST = ModelParams.model_validate({**SMALL, "n_estimators": 3, "max_depth": 3})
STUMP = ModelParams.model_validate({**SMALL, "n_estimators": 2, "max_depth": 1})
LINEAR = ModelParams.model_validate({"kind": "logistic"})
PRIOR = ModelParams.model_validate({"kind": "class_prior"})
MODELS = {"forest": FOREST, "stump": STUMP, "linear": LINEAR, "prior": PRIOR}
TUNED = {"values": {"n_estimators": 4}}  # of the forest
ENSEMBLES = EnsembleRules.model_validate(
    {
        "pair": {"kind": "mean", "members": ["forest", "stump"]},
        "other": {"kind": "mean", "members": ["linear", "prior"]},
        "nested": {"kind": "mean", "members": ["pair", "linear"]},
        "deep": {"kind": "mean", "members": ["nested", "forest"]},
        "stacked": {"kind": "stacking", "members": ["forest", "linear"], "min_rows": 20},
    }
)
SEED = 5


def answers(model_input: pl.DataFrame, plan: Plan, name: str, seed: int) -> tuple[pl.DataFrame, dict[str, bytes]]:
    seeded = plan.model_copy(update={"learning": plan.learning.model_copy(update={"seed": seed})})
    features, labels = seeded.open(model_input)
    recipe = seeded.recipe(MODELS[name], TUNED if name == "forest" else {})
    return walk_forward.validate(features, labels, seeded.folds(), plan=recipe)


@pytest.fixture(scope="module")
def model_input(toy_market: Any) -> pl.DataFrame:
    return assemble(*toy_market(skill=0.3))


@pytest.fixture(scope="module")
def plan(toy_market: Any) -> Plan:
    features, labels = toy_market(skill=0.3)
    head = Head("signal", "classification", models=("forest", "stump"), baselines=("linear", "prior"))
    manifest = {"horizon": 3, "execution": Execution().model_dump(mode="json"), "absent": None}
    learning = Learning(
        seed=SEED, splits=SplitRule(folds=4), selection=SelectionRule(features=4, methods=("univariate",))
    )
    return choose_features(features, labels, make_plan(head, labels, manifest, "set-1", learning))


@pytest.fixture(scope="module")
def walked(model_input: pl.DataFrame, plan: Plan) -> Walked:
    made = {name: answers(model_input, plan, name, SEED) for name in MODELS}
    raw_oos = stack_by_model({name: table for name, (table, _) in made.items()})
    return Walked(raw_oos, {name: files for name, (_, files) in made.items()}, ENSEMBLES, first_fold=2)


def claim(model: str, metric: str = "direction_ic") -> Primary:
    return Primary(head="signal", model=model, metric=metric)


def ic(table: pl.DataFrame, model: str, first_fold: int = 2, metric: str = "direction_ic") -> float | None:
    return out_of_sample_scores(table.filter(pl.col("fold") >= first_fold), model, kind="classification")[metric]


def seeded(model_input: pl.DataFrame, plan: Plan, seed: int, *names: str) -> pl.DataFrame:
    return stack_by_model({name: answers(model_input, plan, name, seed)[0] for name in names})


def test_every_seed_is_a_fit_of_the_same_folds(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    found = reseed(model_input, plan, walked, primary=claim("forest"), count=3)
    assert found["ic"] == [ic(seeded(model_input, plan, seed, "forest"), "forest") for seed in (5, 6, 7)]
    assert (found["model"], found["seeds"]) == ("forest", [5, 6, 7])
    assert len(set(found["ic"])) == 3
    assert found["mean"] == pytest.approx(np.mean(found["ic"]))
    assert found["sd"] == pytest.approx(np.std(found["ic"], ddof=1))
    assert [found["low"], found["high"]] == [min(found["ic"]), max(found["ic"])]
    assert f"The IC goes from {found['low']:+.3f} to {found['high']:+.3f}, fitted with 3 seeds" in found["said"]


def test_the_first_seed_is_the_run_itself(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    found = reseed(model_input, plan, walked, primary=claim("forest"), count=1)
    assert found["ic"] == [ic(walked.raw_oos, "forest")]
    assert (found["seeds"], found["sd"]) == ([5], None)
    assert "with 1 seed," in found["said"]


@pytest.mark.parametrize("changed", [{"first_fold": 4}, {"metric": "direction_rank_ic"}])
def test_rows_and_metric_are_those_that_are_judged(
    changed: dict[str, Any], model_input: pl.DataFrame, plan: Plan, walked: Walked
) -> None:
    first, metric = changed.get("first_fold", 2), changed.get("metric", "direction_ic")
    found = reseed(model_input, plan, replace(walked, first_fold=first), primary=claim("forest", metric), count=1)
    assert found["ic"] == [ic(walked.raw_oos, "forest", first, metric)]
    assert found["ic"] != [ic(walked.raw_oos, "forest")]


def test_what_has_no_seed_does_not_depend_on_it(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    found = reseed(model_input, plan, walked, primary=claim("linear"), count=2)
    assert found["ic"][0] == found["ic"][1]
    assert (found["sd"], found["low"]) == (0.0, found["high"])
    assert found["said"].startswith(f"The IC is {found['mean']:+.3f}, fitted with 2 seeds")


@pytest.mark.parametrize(
    ("ensemble", "members"),
    [("pair", ("forest", "stump")), ("deep", ("forest", "stump", "linear")), ("stacked", ("forest", "linear"))],
)
def test_an_ensemble_is_made_anew_of_refitted_members(
    ensemble: str, members: tuple[str, ...], model_input: pl.DataFrame, plan: Plan, walked: Walked
) -> None:
    found = reseed(model_input, plan, walked, primary=claim(ensemble), count=2)
    needed = ("pair", "nested", "deep") if ensemble == "deep" else (ensemble,)
    rules = EnsembleRules({name: ENSEMBLES.root[name] for name in needed})
    tables = [seeded(model_input, plan, seed, *members) for seed in (5, 6)]
    made = [combine(table, model_input, plan=plan, rules=rules, left_out={}).oos for table in tables]
    assert found["ic"] == [ic(table, ensemble) for table in made]
    assert found["ic"][0] != found["ic"][1]


def test_a_member_that_was_left_out_stays_out(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    files = {**walked.fold_models, "stump": bundle_of_none("left out by the profile quick")}
    there = walked.raw_oos.filter(pl.col("model") != "stump")
    three = EnsembleRules.model_validate({"three": {"kind": "mean", "members": ["forest", "stump", "linear"]}})
    found = reseed(model_input, plan, Walked(there, files, three, 2), primary=claim("three"), count=2)
    two = EnsembleRules.model_validate({"three": {"kind": "mean", "members": ["forest", "linear"]}})
    expected = reseed(model_input, plan, Walked(there, files, two, 2), primary=claim("three"), count=2)
    assert found["ic"] == expected["ic"]


def test_a_forecast_that_never_changes_has_no_ic(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    """One fold, in which a prior is one constant."""
    found = reseed(model_input, plan, replace(walked, first_fold=4), primary=claim("prior"), count=2)
    assert (found["ic"], found["mean"], found["sd"], found["low"]) == ([None, None], None, None, None)
    assert found["said"] == "Its forecast never changes, with any seed."


@pytest.mark.parametrize(
    ("head", "absent", "said"),
    [
        ("forward_return", None, "The declared primary is about the head forward_return."),
        ("signal", "no open interest", "no open interest"),
    ],
)
def test_another_head_is_not_fitted_again(head: str, absent: str | None, said: str, plan: Plan, walked: Walked) -> None:
    asked = plan.model_copy(update={"absent": absent})
    found = reseed(pl.DataFrame(), asked, walked, primary=Primary(head=head, model="forest"), count=3)
    assert found == {"model": None, "seeds": [], "ic": [], "mean": None, "sd": None, "low": None, "high": None} | {
        "said": said
    }


def test_a_primary_that_was_left_out_is_said(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    files = {**walked.fold_models, "forest": bundle_of_none("left out by the profile quick")}
    found = reseed(model_input, plan, replace(walked, fold_models=files), primary=claim("forest"), count=3)
    assert (found["model"], found["said"]) == (None, "forest was fitted in no fold of this run.")


def test_other_features_are_an_error(model_input: pl.DataFrame, plan: Plan, walked: Walked) -> None:
    other = model_input.with_columns(pl.col("signal") + 1)
    with pytest.raises(DataError, match="is not the one that its plan was made for"):
        reseed(other, plan, walked, primary=claim("forest"), count=2)
    elsewhere = plan.model_copy(update={"feature_set_id": "set-2"})
    with pytest.raises(BundleError, match="was trained on another feature set"):
        reseed(model_input, elsewhere, walked, primary=claim("forest"), count=2)
