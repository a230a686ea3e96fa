"""Ensembles of a head: by the fold rule, from nothing but out-of-sample answers."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.ensembles import EnsembleRules, combine
from assay.market.ensembles.pools import Pool
from assay.market.ensembles.table import fold_rules, read_table
from assay.market.errors import ConfigurationError, DataError
from assay.market.models import called
from assay.market.plan import Plan
from assay.market.tables import PROBABILITIES

Head = tuple[pl.DataFrame, pl.DataFrame, Plan]
SKILLS = {"good": 0.5, "poor": 0.1, "noise": 0.0}
STACK = {"kind": "stacking", "members": list(SKILLS), "min_rows": 50}
KINDS = ("classification", "regression")


def rules(**given: Any) -> EnsembleRules:
    return EnsembleRules.model_validate(given)


def made(head: Head, given: EnsembleRules, left_out: dict[str, str] | None = None) -> Any:
    raw_oos, model_input, plan = head
    return combine(raw_oos, model_input, plan=plan, rules=given, left_out=left_out or {})


@pytest.fixture(scope="module", params=KINDS)
def head(request: pytest.FixtureRequest, validated: Any) -> Head:
    found: Head = validated(request.param, SKILLS)
    return found


@pytest.fixture(scope="module")
def stacked(head: Head) -> Any:
    return made(head, rules(stack=STACK))


def answers(oos: pl.DataFrame, model: str) -> pl.DataFrame:
    return oos.filter(pl.col("model") == model).drop("model")


def values(oos: pl.DataFrame, model: str) -> np.ndarray:
    columns = [name for name in PROBABILITIES if name in oos.columns] or ["y_pred"]
    return answers(oos, model).select(columns).to_numpy().squeeze()


def test_ensembles_come_after_the_models_which_stay_as_they_are(head: Head) -> None:
    found = made(head, rules(mean={"kind": "mean", "members": ["good", "poor"]}, stack=STACK)).oos
    assert found["model"].unique(maintain_order=True).to_list() == [*SKILLS, "mean", "stack"]
    assert found.filter(pl.col("model").is_in(SKILLS)).equals(head[0])
    others = [name for name in found.columns if name not in (*PROBABILITIES, "y_pred", "model")]
    assert answers(found, "stack").select(others).equals(answers(found, "good").select(others))


def test_no_ensemble_leaves_the_answers_as_they_are(head: Head) -> None:
    found = made(head, EnsembleRules.none())
    assert found.oos.equals(head[0])
    assert found.document == {"contenders": {}, "left_out": {}, "fits": []}
    assert found.files == {}


def test_a_mean_and_a_vote_are_what_they_say(head: Head) -> None:
    vote = {"kind": "soft_voting", "weights": {"good": 2, "noise": 1.5}}
    found = made(head, rules(mean={"kind": "mean", "members": list(SKILLS)}, vote=vote))
    good, poor, noise = (values(head[0], name) for name in SKILLS)
    np.testing.assert_allclose(values(found.oos, "mean"), (good + poor + noise) / 3)
    np.testing.assert_allclose(values(found.oos, "vote"), (2 * good + 1.5 * noise) / 3.5)
    folds = found.document["contenders"]["vote"]["folds"]
    assert [fold["fold"] for fold in folds] == [1, 2, 3, 4, 5]
    assert all(fold["weights"] == {"good": 2 / 3.5, "noise": 1.5 / 3.5} for fold in folds)
    assert all(fold["fallback"] is None and fold["fitted_on"] == [] for fold in folds)


def test_a_class_is_called_from_the_pooled_probabilities(validated: Any) -> None:
    found = made(validated("classification", SKILLS), rules(stack=STACK)).oos
    np.testing.assert_array_equal(answers(found, "stack")["y_pred"], called(values(found, "stack")))


def test_the_first_two_folds_are_weighed_equally_and_it_is_said(stacked: Any, head: Head) -> None:
    folds = stacked.document["contenders"]["stack"]["folds"]
    assert [fold["accepted_on"] for fold in folds] == [None, None, 2, 3, 4]
    assert [fold["fitted_on"] for fold in folds] == [[], [], [1], [1, 2], [1, 2, 3]]
    assert stacked.document["contenders"]["stack"]["final"]["fitted_on"] == [1, 2, 3, 4]
    assert stacked.document["contenders"]["stack"]["final"]["accepted_on"] == 5
    for fold in folds[:2]:
        assert fold["fallback"].startswith("equal weights: no two older folds")
        assert fold["weights"] == dict.fromkeys(SKILLS, 1 / 3)
    early = (answers(head[0], "good")["fold"] <= 2).to_numpy()
    even = sum(values(head[0], name) for name in SKILLS) / 3
    np.testing.assert_allclose(values(stacked.oos, "stack")[early], even[early])


def test_later_folds_trust_the_better_member(stacked: Any) -> None:
    later = stacked.document["contenders"]["stack"]["folds"][2:]
    assert all(fold["fallback"] is None and fold["gain"] > 0 for fold in later)
    assert all(fold["weights"]["good"] > 2 * fold["weights"]["noise"] for fold in later)


def test_each_fold_is_answered_with_its_own_weights(stacked: Any, head: Head) -> None:
    fold = answers(head[0], "good")["fold"].to_numpy()
    members = {name: values(head[0], name) for name in SKILLS}
    for told in stacked.document["contenders"]["stack"]["folds"]:
        pooled = Pool.from_dict(told).apply(members)
        np.testing.assert_allclose(values(stacked.oos, "stack")[fold == told["fold"]], pooled[fold == told["fold"]])


def test_the_gain_is_that_on_the_fold_it_was_accepted_on(stacked: Any, head: Head) -> None:
    told, rows = stacked.document["contenders"]["stack"]["folds"][3], answers(head[0], "good")
    known = rows["label_end"] <= head[2].receipts[3].last_train_label_end
    mask = ((rows["fold"] == 3) & known & rows["y_true"].is_not_null()).to_numpy()
    y, members = rows["y_true"].to_numpy()[mask], {name: values(head[0], name)[mask] for name in SKILLS}
    both = [sum(members.values()) / 3, Pool.from_dict(told).apply(members)]
    if head[2].kind == "classification":
        losses = [-np.log(out[np.arange(len(y)), y.astype(int) + 1]).mean() for out in both]
    else:
        losses = [(((y - out) / rows["scale"].to_numpy()[mask]) ** 2).mean() for out in both]
    assert told["gain"] == pytest.approx(losses[0] - losses[1])


def test_weights_that_gain_nothing_are_not_used(validated: Any) -> None:
    """The member that was good until fold 2 is worthless from then on: what was learned on folds 1 and 2 fails on 3."""
    head = validated("regression", {"turns": 0.6, "steady": 0.2})
    raw = head[0].with_columns(
        pl.when((pl.col("model") == "turns") & (pl.col("fold") > 2))
        .then(-pl.col("y_pred"))
        .otherwise("y_pred")
        .alias("y_pred")
    )
    stack = rules(stack=STACK | {"members": ["turns", "steady"], "penalty": 0.01})
    told = made((raw, *head[1:]), stack).document["contenders"]["stack"]["folds"][3]
    assert told["fallback"] == "equal weights: fitted ones gain nothing on fold 3"
    assert told["gain"] < 0
    assert (told["accepted_on"], told["weights"]) == (3, {"turns": 0.5, "steady": 0.5})


def test_too_few_rows_are_weighed_equally(head: Head) -> None:
    told = made(head, rules(stack=STACK | {"min_rows": 200})).document["contenders"]["stack"]["folds"]
    assert "outcomes to fit on" in told[2]["fallback"]
    assert (told[2]["accepted_on"], told[2]["gain"]) == (None, None)
    assert told[4]["fallback"] is None


def test_a_penalty_holds_weights_at_equal_ones(head: Head) -> None:
    def far(penalty: float) -> float:
        told = made(head, rules(stack=STACK | {"penalty": penalty})).document["contenders"]["stack"]["folds"][4]
        return float(np.abs(np.array(list(told["weights"].values())) - 1 / 3).max())

    assert far(100.0) < 0.05 < far(0.01)


def test_a_fold_learns_from_older_ones_known_before_it_and_nothing_else(head: Head) -> None:
    """The rule itself, row by row."""
    raw_oos, _, plan = head
    rows = read_table(raw_oos, plan.kind).rows
    starts = {receipt.fold: receipt for receipt in plan.receipts}
    for rule in fold_rules(rows, plan.receipts):
        fold = rule.fold or 6
        for place, row in enumerate(rows.iter_rows(named=True)):
            labelled = row["y_true"] is not None

            def before(number: int, row: Any = row, labelled: bool = labelled) -> bool:
                if number not in starts:
                    return labelled
                cut = starts[number]
                return labelled and row["label_end"] < cut.test_start and row["label_end"] <= cut.last_train_label_end

            assert rule.fit[place] == (fold > 2 and row["fold"] <= fold - 2 and before(fold - 1))
            assert rule.accept[place] == (fold > 2 and row["fold"] == fold - 1 and before(fold))
            assert rule.earlier[place] == (row["fold"] < fold and before(fold))
            assert rule.apply[place] == (row["fold"] == fold)


def test_labels_reach_over_the_edge_of_folds(head: Head) -> None:
    """Or there would be nothing to purge, and the tests beside this one would prove nothing."""
    raw_oos, _, plan = head
    rows = answers(raw_oos, "good")
    for receipt in plan.receipts[1:]:
        over = rows.filter((pl.col("fold") < receipt.fold) & (pl.col("label_end") >= receipt.test_start))
        assert over.height > 0


@pytest.mark.parametrize("last", [2, 3, 4])
def test_the_future_does_not_change_earlier_answers(head: Head, stacked: Any, last: int) -> None:
    raw_oos, model_input, plan = head
    early = raw_oos.filter(pl.col("fold") <= last)
    found = made((early, model_input, plan), rules(stack=STACK))
    assert answers(found.oos, "stack").equals(answers(stacked.oos, "stack").filter(pl.col("fold") <= last))


@pytest.mark.parametrize("fold", [3, 4, 5])
def test_outcomes_that_were_not_known_do_not_change_an_answer(head: Head, stacked: Any, fold: int) -> None:
    """Every outcome known only when the fold had begun is replaced, also those of rows in older folds."""
    raw_oos, model_input, plan = head
    start = plan.receipts[fold - 1].test_start
    other = pl.col("y_true") * -1 if plan.kind == "classification" else pl.col("y_true") * -9
    changed = raw_oos.with_columns(
        pl.when(pl.col("label_end") >= start).then(other).otherwise("y_true").alias("y_true")
    )
    found = made((changed, model_input, plan), rules(stack=STACK))
    until = pl.col("fold") <= fold
    columns = [name for name in found.oos.columns if name not in ("y_true", "model")]
    assert (
        answers(found.oos, "stack")
        .filter(until)
        .select(columns)
        .equals(answers(stacked.oos, "stack").filter(until).select(columns))
    )


def test_weights_are_fitted_before_the_fold_they_are_accepted_on(head: Head, stacked: Any) -> None:
    """Outcomes known only in fold 4 leave the weights of fold 5, fitted on folds 1 to 3, as they are."""
    raw_oos, model_input, plan = head
    start = plan.receipts[3].test_start
    nothing = pl.lit(None, raw_oos.schema["y_true"])
    late = (pl.col("fold") <= 3) & (pl.col("label_end") >= start)
    changed = raw_oos.with_columns(pl.when(late).then(nothing).otherwise("y_true").alias("y_true"))
    assert changed["y_true"].null_count() > raw_oos["y_true"].null_count()
    was, now = (
        found.document["contenders"]["stack"]["folds"][4]
        for found in (stacked, made((changed, model_input, plan), rules(stack=STACK)))
    )
    assert was == now


def test_every_fit_says_what_it_has_seen(stacked: Any, head: Head) -> None:
    starts = {receipt.fold: receipt.test_start.isoformat() for receipt in head[2].receipts}
    fits = stacked.document["fits"]
    assert [(fit["model"], fit["fold"], fit["what"]) for fit in fits] == [("stack", n, "ensemble") for n in (3, 4, 5)]
    for fit in fits:
        assert fit["test_start"] == starts[fit["fold"]]
        assert starts[fit["fold"] - 1] < fit["last_time_seen"] < fit["last_label_end"] < fit["test_start"]


def test_a_member_that_took_no_part_is_named_with_its_reason(head: Head) -> None:
    raw_oos, model_input, plan = head
    wider = plan.model_copy(update={"roles": {**plan.roles, "lstm": "model", "mlp": "model"}})
    vote = {"kind": "soft_voting", "weights": {"good": 3, "lstm": 5, "poor": 1}}
    given = rules(
        vote=vote,
        pair={"kind": "mean", "members": ["mlp", "good"]},
        above={"kind": "mean", "members": ["pair", "poor"]},
        stack=STACK,
    )
    found = made((raw_oos, model_input, wider), given, {"lstm": "left out by the profile quick"})
    told = found.document["contenders"]["vote"]
    assert told["members"] == ["good", "poor"]
    assert told["absent"] == {"lstm": "left out by the profile quick"}
    assert told["final"]["weights"] == {"good": 0.75, "poor": 0.25}
    assert list(found.document["contenders"]) == ["vote", "stack"]
    assert found.document["left_out"] == {
        "pair": "1 of 2 members there, 2 needed; without mlp (has no out-of-sample answers)",
        "above": "1 of 2 members there, 2 needed; without pair (1 of 2 members there, 2 needed; "
        "without mlp (has no out-of-sample answers))",
    }


def test_a_name_that_the_head_does_not_have_is_refused(head: Head) -> None:
    with pytest.raises(ConfigurationError, match="names members that this head does not have"):
        made(head, rules(stack=STACK | {"members": ["good", "typo"]}))


def test_models_that_answer_other_rows_are_refused(head: Head) -> None:
    raw_oos, model_input, plan = head
    fewer = raw_oos.filter((pl.col("model") != "poor") | (pl.col("fold") > 1))
    with pytest.raises(DataError, match=r"do not answer the same rows\n.*good\n.*rows of poor"):
        made((fewer, model_input, plan), rules(stack=STACK))


def test_rows_that_the_plan_was_not_made_for_are_refused(head: Head) -> None:
    raw_oos, model_input, plan = head
    with pytest.raises(DataError, match="not the one that its plan was made for"):
        made((raw_oos, model_input.with_columns(leak=pl.lit(0.0, pl.Float32)), plan), rules(stack=STACK))


def test_a_head_without_data_has_no_ensemble(head: Head) -> None:
    raw_oos, model_input, plan = head
    reason = "these data have no open interest"
    absent = plan.model_copy(update={"receipts": (), "absent": reason})
    found = made((raw_oos.clear(), model_input, absent), rules(stack=STACK), dict.fromkeys(SKILLS, reason))
    assert found.oos.equals(raw_oos.clear())
    assert found.document["contenders"] == {}
    assert found.document["left_out"]["stack"].startswith(f"0 of 3 members there, 2 needed; without good ({reason})")
