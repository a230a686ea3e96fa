"""What makes a configuration another one, what does not, and what is written down of its result."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.datasets.ledger import TrialLedger
from assay.market.calibration import CalibrationRule
from assay.market.ensembles.rules import EnsembleRules
from assay.market.execution import Execution
from assay.market.labels import LabelRule
from assay.market.plan import Learning
from assay.market.primary import Primary
from assay.market.trading import BUY_AND_HOLD, BacktestRule
from assay.market.trials import outer_trials
from assay.market.trials.packing import pack_times, unpack_returns, unpack_times

ALL = {"one", "two", "logistic", "drift", "mean"}
COSTS = {"fee_bp": 2.0, "half_spread_bp": 1.0}
Configure = Callable[..., dict[str, dict[str, Any]]]


def rules(**changed: Any) -> dict[str, Any]:
    return {"backtest": BacktestRule.model_validate({"costs": COSTS} | changed)}


def label_rule(threshold: float) -> LabelRule:
    kind = {"kind": "fixed_horizon", "horizon": 1, "max_gap": timedelta(days=2)}
    return LabelRule.model_validate(kind | {"threshold": threshold})


def learning(**changed: Any) -> Learning:
    return Learning.model_validate(changed)


def best(**changed: Any) -> dict[str, Any]:
    one = {"params": {"kind": "a", "depth": 3, **changed}}
    return {"one": one, "two": {"params": {"kind": "b"}}}


def mean_of(*members: str) -> EnsembleRules:
    return EnsembleRules.model_validate({"mean": {"kind": "mean", "members": list(members)}})


def changed_by(configure: Configure, *args: Any, **kwargs: Any) -> set[str]:
    """Names of the contenders whose configuration is another one."""
    before, after = configure(), configure(*args, **kwargs)
    return {
        name for name in after if name not in before or after[name]["configuration"] != before[name]["configuration"]
    }


@pytest.mark.parametrize(
    "plan",
    [
        {"head": "other"},
        {"horizon": 2},
        {"feature_set_id": "g"},
        {"execution": Execution(delay=2)},
        {"learning": learning(seed=1)},
        {"learning": learning(tail=0.2)},
        {"learning": learning(splits={"folds": 3})},
        {"learning": learning(profiles={"quick": {"tuning": {"trials": 50}}})},
    ],
    ids=str,
)
def test_what_all_contenders_share_makes_all_of_them_others(
    configure: Configure, make_plan: Callable[..., Any], plan: dict[str, Any]
) -> None:
    assert changed_by(configure, make_plan(**plan)) == ALL


@pytest.mark.parametrize(
    "changed",
    [
        {"rules": rules(costs={"fee_bp": 3.0, "half_spread_bp": 1.0})},
        {"rules": rules() | {"calibration": CalibrationRule()}},
        {"rules": rules() | {"labels": label_rule(0.5)}},
    ],
    ids=["costs", "calibration", "labels"],
)
def test_another_way_to_trade_makes_all_of_them_others(configure: Configure, changed: dict[str, Any]) -> None:
    assert changed_by(configure, **changed) == ALL


def test_another_threshold_of_the_labels_makes_all_of_them_others(configure: Configure) -> None:
    low, high = (configure(rules=rules() | {"labels": label_rule(threshold)}) for threshold in (0.3, 0.5))
    assert {name for name in low if low[name]["configuration"] != high[name]["configuration"]} == ALL


def test_other_parameters_make_another_of_the_model_and_of_what_is_made_of_it(configure: Configure) -> None:
    assert changed_by(configure, best_params=best(depth=4)) == {"one", "mean"}


def test_an_ensemble_is_another_with_other_members_or_rules(configure: Configure) -> None:
    assert changed_by(configure, ensembles=mean_of("one", "logistic")) == {"mean"}
    voting = EnsembleRules.model_validate({"mean": {"kind": "soft_voting", "weights": {"one": 2, "two": 1}}})
    assert changed_by(configure, ensembles=voting) == {"mean"}


def test_an_ensemble_without_one_of_its_members_is_another(configure: Configure, make_plan: Callable[..., Any]) -> None:
    without = make_plan(learning=learning(profiles={"quick": {"leave_out": ["two"]}}))
    assert changed_by(configure, without) == {"mean"}
    assert "two" not in configure(without)


@pytest.mark.parametrize(
    ("plan", "changed"),
    [
        ({}, {"best_params": {name: {**told, "values": {"depth": 9}} for name, told in best().items()}}),
        ({}, {"best_params": best(threads=4)}),
        ({}, {"rules": rules(seed=5, confidence=0.8)}),
        ({}, {"rules": rules() | {"calibration": None}}),
        ({"learning": learning(profiles={"quick": {"tuning": {"processes": 4}}})}, {}),
        ({"learning": learning(profiles={"quick": {}, "full": {"tuning": {"trials": 100}}})}, {}),
        ({"learning": learning(profile="fast", profiles={"fast": {}})}, {}),
        ({"learning": learning(seeds=7)}, {}),
        ({}, {"primary": Primary(head="signal", model="two")}),
    ],
    ids=[
        "tuned values",
        "threads",
        "how it is judged",
        "a rule of other heads",
        "processes",
        "other profiles",
        "name of the profile",
        "refits",
        "claim",
    ],
)
def test_what_changes_no_choice_makes_no_other_configuration(
    configure: Configure, make_plan: Callable[..., Any], plan: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert changed_by(configure, make_plan(**plan), **changed) == set()


def test_threads_of_a_model_inside_an_ensemble_make_no_other_configuration(configure: Configure) -> None:
    one, two, deeper = (
        configure(ensembles=EnsembleRules.model_validate({"mean": {"kind": "meta", "base": "one", "model": model}}))
        for model in ({"kind": "lightgbm", **more} for more in ({"threads": 1}, {"threads": 2}, {"num_leaves": 5}))
    )
    assert one["mean"]["configuration"] == two["mean"]["configuration"] != deeper["mean"]["configuration"]


def test_how_a_calibration_is_judged_makes_no_other_configuration(configure: Configure) -> None:
    first, other, fitted = (
        configure(rules=rules() | {"calibration": CalibrationRule.model_validate(changed)})["one"]["configuration"]
        for changed in ({}, {"replications": 60, "confidence": 0.8}, {"method": "isotonic"})
    )
    assert first == other != fitted


def test_the_claim_and_the_roles_are_told(configure: Configure, make_plan: Callable[..., Any]) -> None:
    told = configure()
    assert {name for name, contender in told.items() if contender["declared"]} == {"one"}
    roles = {"one": "model", "two": "model", "logistic": "baseline", "drift": "baseline", "mean": "model"}
    assert {name: contender["role"] for name, contender in told.items()} == roles
    elsewhere = configure(make_plan(head="other"))  # where the same model decides, but nothing is claimed
    assert not any(contender["declared"] for contender in elsewhere.values())


def test_a_record_has_the_returns_of_the_book(configure: Configure, make_ledger: Callable[..., Any]) -> None:
    returns = {"one": np.array([0.01, -0.02, 0.005]), "drift": np.zeros(3), BUY_AND_HOLD: np.ones(3)}
    records = outer_trials(make_ledger(returns), configure())
    assert [record["model"] for record in records] == ["one", "drift"]
    assert unpack_returns(records[0]["net_returns"]) == pytest.approx(returns["one"], rel=1e-6)
    days = unpack_times(records[0]["times"]) / 86_400e6
    assert (days - days[0]).tolist() == [0, 1, 2]
    assert records[0]["span"] == ["2024-01-01T00:00:00+00:00", "2024-01-03T00:00:00+00:00"]
    assert {(record["bars"], record["scope"]) for record in records} == {(3, "outer")}


def test_a_replay_is_no_new_record_and_other_results_or_claims_are(
    configure: Configure, make_ledger: Callable[..., Any], tmp_path: Path
) -> None:
    ledger = TrialLedger(filepath=str(tmp_path / "trials.jsonl"))
    returns = np.array([0.01, -0.02, 0.005])
    bought = {"primary": Primary(head="signal", model="two")}
    for book, changed in (
        ({"one": returns}, {}),
        ({"one": returns + 1e-15}, {}),  # the last bits of a sum
        ({"one": returns * 2}, {}),
        ({"one": returns}, bought),
    ):
        ledger.save(outer_trials(make_ledger(book), configure(**changed)))
    ledger.save(outer_trials(make_ledger({"one": returns}, step=timedelta(hours=1)), configure()))
    records = ledger.load()
    assert len(records) == 4
    assert len({record["configuration"] for record in records}) == 1
    assert [record["declared"] for record in records] == [True, True, False, True]


def test_the_same_returns_at_other_times_are_another_record(
    configure: Configure, make_ledger: Callable[..., Any]
) -> None:
    ledger = make_ledger({"one": np.array([0.01, -0.02, 0.005])})
    middle = ledger["time"].unique().sort()[1]
    moved = ledger.with_columns(
        pl.when(pl.col("time") == middle).then(pl.col("time") + timedelta(hours=1)).otherwise("time").alias("time")
    )
    first, other = (outer_trials(table, configure())[0] for table in (ledger, moved))
    assert first["span"] == other["span"]
    assert first["id"] != other["id"]


def test_times_are_packed_by_their_steps() -> None:
    """20,000 bars of five minutes with a gap every night take next to no room."""
    bar = np.arange(20_000)
    times = 1_700_000_000_000_000 + 300_000_000 * bar + 61_200_000_000 * (bar // 78)
    packed = pack_times(times)
    assert (unpack_times(packed) == times).all()
    assert len(packed) < 2_000


def test_a_record_is_plain_json(configure: Configure, make_ledger: Callable[..., Any]) -> None:
    record = outer_trials(make_ledger({"mean": np.array([0.01, 0.02])}), configure())[0]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["parameters"]["members"] == {"one": {"kind": "a", "depth": 3}, "two": {"kind": "b"}}
