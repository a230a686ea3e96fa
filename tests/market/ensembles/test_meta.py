"""Meta-labels: a second stage that knows when its base is right, and has seen nothing but its earlier calls."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from assay.market.audit.fits import check_fit_scope
from assay.market.ensembles import EnsembleRules, combine
from assay.market.ensembles.meta import BASE, hold_back
from assay.market.models import called
from assay.market.models.linear import Logistic
from assay.market.plan import Plan
from assay.market.recipe import open_recipe
from assay.market.tables import KEY, PROBABILITIES
from assay.market.weights import WeightRule, sample_weights

Head = tuple[pl.DataFrame, pl.DataFrame, Plan]
META = {"kind": "meta", "base": "bull", "model": {"kind": "logistic", "C": 1.0}, "min_rows": 60}


def with_base(head: Head) -> Head:
    """A base that calls LONG most of the time, whatever happens: it is right when ``signal`` is high."""
    raw_oos, model_input, plan = head
    rng, rows = np.random.default_rng(8), raw_oos.height
    out = rng.dirichlet((2, 3, 6), rows)
    return (
        raw_oos.with_columns(
            pl.Series("y_pred", called(out), dtype=pl.Int8),
            *(pl.Series(name, column) for name, column in zip(PROBABILITIES, out.T, strict=True)),
        ),
        model_input,
        plan,
    )


@pytest.fixture(scope="module")
def head(validated: Any) -> Head:
    return with_base(validated("classification", {"bull": 0.0}))


def made(head: Head, **changes: Any) -> Any:
    raw_oos, model_input, plan = head
    rules = EnsembleRules.model_validate({"meta": META | changes})
    return combine(raw_oos, model_input, plan=plan, rules=rules, left_out={})


@pytest.fixture(scope="module")
def judged(head: Head) -> Any:
    return made(head)


def answers(oos: pl.DataFrame, model: str = "meta") -> pl.DataFrame:
    return oos.filter(pl.col("model") == model).drop("model")


def told(found: Any) -> list[dict[str, Any]]:
    folds: list[dict[str, Any]] = found.document["contenders"]["meta"]["folds"]
    return folds


def calls_before(head: Head, fold: int) -> pl.DataFrame:
    """The calls whose outcome was known before a fold began, row by row."""
    raw_oos, model_input, plan = head
    receipt = plan.receipts[fold - 1]
    known = [
        row["fold"] < fold
        and row["y_true"] is not None
        and row["label_end"] < receipt.test_start
        and row["label_end"] <= receipt.last_train_label_end
        and row["y_pred"] != 0
        for row in raw_oos.iter_rows(named=True)
    ]
    calls = raw_oos.filter(pl.Series(known)).with_columns(right=pl.col("y_pred") * pl.col("forward_return") > 0)
    return calls.join(model_input.drop("label_end", "forward_return", "scale"), on=KEY, maintain_order="left")


def test_until_there_are_enough_calls_the_base_answers_alone(head: Head, judged: Any) -> None:
    first = told(judged)[0]
    assert first["fallback"] == "the answers of bull: 0 of its calls had a known outcome, 60 are needed"
    assert (first["fitted_on"], first["rows"], first["weights"]) == ([], 0, None)
    for frame in (answers(judged.oos), answers(head[0], "bull")):
        assert frame.height > 0
    until = pl.col("fold") == 1
    assert answers(judged.oos).filter(until).equals(answers(head[0], "bull").filter(until))
    later = made(head, min_rows=calls_before(head, 4).height)
    assert [fold["fallback"] is None for fold in told(later)] == [False, False, False, True, True]


def test_it_learns_from_all_earlier_calls_whose_outcome_was_known(head: Head, judged: Any) -> None:
    assert [fold["fitted_on"] for fold in told(judged)] == [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
    assert [fold["rows"] for fold in told(judged)][1:] == [calls_before(head, fold).height for fold in (2, 3, 4, 5)]
    final = judged.document["contenders"]["meta"]["final"]
    assert final["fitted_on"] == [1, 2, 3, 4, 5]
    assert final["rows"] == head[0].filter(pl.col("y_true").is_not_null() & (pl.col("y_pred") != 0)).height


def test_what_it_lets_through_is_right_more_often(head: Head, judged: Any) -> None:
    def precision(frame: pl.DataFrame) -> float:
        acted = frame.filter((pl.col("fold") > 1) & (pl.col("y_pred") != 0) & pl.col("y_true").is_not_null())
        return float((acted["y_pred"] * acted["forward_return"] > 0).mean())  # type: ignore[arg-type]

    base, second = answers(head[0], "bull"), answers(judged.oos)
    assert precision(second) > precision(base) + 0.15
    kept = (second["y_pred"] != 0).to_numpy()
    assert 0.2 < kept.sum() / (base["y_pred"] != 0).sum() < 0.8
    np.testing.assert_array_equal(second["y_pred"].to_numpy()[kept], base["y_pred"].to_numpy()[kept])
    np.testing.assert_array_equal(second["y_pred"], called(second.select(PROBABILITIES).to_numpy()))


def test_a_fold_is_judged_as_by_hand(head: Head, judged: Any) -> None:
    """Rows, labels, weights, filling, scaling and the model itself, all made again with other tools."""
    raw_oos, model_input, plan = head
    calls = calls_before(head, 4)
    columns = [*plan.selection("fold 4").kept, *BASE]

    def inputs(rows: pl.DataFrame) -> pl.DataFrame:
        base = zip(BASE, ("p_short", "p_neutral", "p_long", "y_pred"), strict=True)
        return rows.with_columns(pl.col(name).cast(pl.Float32).alias(column) for column, name in base).select(columns)

    seen = inputs(calls).cast(pl.Float64).to_numpy()
    middle, spread = seen.mean(axis=0), np.where(seen.std(axis=0) > 0, seen.std(axis=0), 1)
    weight = sample_weights(calls, plan.learning.weights)
    oracle = LogisticRegression(C=1.0, max_iter=1_000).fit((seen - middle) / spread, calls["right"], weight)
    rows = raw_oos.filter(pl.col("fold") == 4).join(model_input.drop("label_end", "forward_return", "scale"), on=KEY)
    rows = rows.sort(KEY)
    right = oracle.predict_proba((inputs(rows).cast(pl.Float64).to_numpy() - middle) / spread)[:, 1]
    expected = np.where(right >= 0.5, rows["y_pred"], 0)
    np.testing.assert_array_equal(answers(judged.oos).filter(pl.col("fold") == 4)["y_pred"], expected)


def test_its_models_are_kept_and_say_the_same(head: Head, judged: Any) -> None:
    assert {name.split("/")[1] for name in judged.files} == {"fold_2", "fold_3", "fold_4", "fold_5", "final"}
    files = {name.removeprefix("meta/fold_3/"): content for name, content in judged.files.items() if "/fold_3/" in name}
    recipe = open_recipe(files, feature_set_id="set-1")
    assert recipe.plan.kind == "binary"
    assert recipe.training.rows == told(judged)[2]["rows"]
    assert set(recipe.inputs.columns) == {*head[2].selection("fold 3").kept, *BASE}


@pytest.mark.parametrize("last", [2, 3, 4])
def test_the_future_does_not_change_earlier_answers(head: Head, judged: Any, last: int) -> None:
    raw_oos, model_input, plan = head
    found = made((raw_oos.filter(pl.col("fold") <= last), model_input, plan))
    assert answers(found.oos).equals(answers(judged.oos).filter(pl.col("fold") <= last))


@pytest.mark.parametrize("fold", [2, 3, 5])
def test_outcomes_that_were_not_known_do_not_change_an_answer(head: Head, judged: Any, fold: int) -> None:
    """Every outcome known only when the fold had begun is turned round, wherever an ensemble could look for it."""
    raw_oos, model_input, plan = head
    late = pl.col("label_end") >= plan.receipts[fold - 1].test_start

    def turned(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
        return frame.with_columns(pl.when(late).then(-pl.col(name)).otherwise(name).alias(name) for name in names)

    rows = turned(model_input, "label", "forward_return")
    other = turned(raw_oos, "y_true", "forward_return")
    found = made((other, rows, plan.model_copy(update={"rows": rehashed(rows)})))
    until = (pl.col("fold") <= fold) & ~late.fill_null(value=True)
    assert answers(found.oos).filter(until).equals(answers(judged.oos).filter(until))
    columns = [*KEY, *PROBABILITIES]
    of_fold = pl.col("fold") == fold
    assert (
        answers(found.oos).filter(of_fold).select(columns).equals(answers(judged.oos).filter(of_fold).select(columns))
    )


def rehashed(model_input: pl.DataFrame) -> str:
    from assay.market.prepared import content_hash, split_input

    return content_hash(*split_input(model_input))


@pytest.mark.parametrize("model", [{"kind": "logistic"}, {"kind": "lightgbm", "n_estimators": 20, "threads": 1}])
def test_every_fit_declares_what_it_has_seen(head: Head, model: dict[str, Any]) -> None:
    fits = made(head, model=model).document["fits"]
    assert [(fit["fold"], fit["what"]) for fit in fits] == [(n, w) for n in (2, 3, 4, 5) for w in ("selection", "meta")]
    assert check_fit_scope(fits, {})["outcome"] == "pass"
    for fold in (2, 3, 4, 5):
        own = next(fit for fit in fits if (fit["fold"], fit["what"]) == (fold, "meta"))
        calls = calls_before(head, fold)
        assert own["last_time_seen"] == calls["time"].max().isoformat()  # type: ignore[union-attr]
        assert own["last_label_end"] == calls["label_end"].max().isoformat()  # type: ignore[union-attr]
        assert own["model"] == "meta"


def test_a_model_that_stops_early_watches_the_newest_calls(head: Head) -> None:
    found = made(head, model={"kind": "lightgbm", "n_estimators": 60, "early_stopping_rounds": 5, "threads": 1})
    files = {name.removeprefix("meta/final/"): content for name, content in found.files.items() if "/final/" in name}
    recipe = open_recipe(files, feature_set_id="set-1")
    assert recipe.training.tail_rows > 0
    assert recipe.best_iteration is not None
    newest = head[0].filter(pl.col("y_true").is_not_null() & (pl.col("y_pred") != 0))["time"].max()
    assert recipe.training.last_time == newest


def test_the_threshold_decides_what_passes(head: Head) -> None:
    calls = [int((answers(made(head, threshold=level).oos)["y_pred"] != 0).sum()) for level in (0.35, 0.5, 0.65)]
    assert calls[0] > calls[1] > calls[2]


@pytest.mark.parametrize(
    "changed",
    [{"weights": WeightRule(kind="return_attribution")}, {"standardise": False}],
    ids=["weights", "standardise"],
)
def test_it_is_fitted_as_the_plan_says(head: Head, judged: Any, changed: dict[str, Any]) -> None:
    raw_oos, model_input, plan = head
    learning = plan.learning.model_copy(update=changed)
    found = made((raw_oos, model_input, plan.model_copy(update={"learning": learning})))
    name = next(name for name in found.files if name.endswith("final/model.skops"))
    assert found.files[name] != judged.files[name]


def test_a_feature_that_no_call_has_is_left_out(head: Head) -> None:
    """Half of the rows are enough for a feature to be chosen; none of them need be a call."""
    raw_oos, model_input, plan = head
    empty = model_input.with_columns(pl.lit(None, pl.Float32).alias("noise_0"))
    found = made((raw_oos, empty, plan.model_copy(update={"rows": rehashed(empty)})))
    files = {name.removeprefix("meta/final/"): content for name, content in found.files.items() if "/final/" in name}
    assert open_recipe(files, feature_set_id="set-1").inputs.columns == ("return_1", "signal", *BASE)


def test_calls_that_are_all_right_teach_nothing(head: Head) -> None:
    raw_oos, model_input, plan = head
    lucky = pl.col("forward_return").abs() + 1e-6
    rows = model_input.with_columns(lucky)
    always_long = raw_oos.with_columns(p_short=pl.lit(0.1), p_neutral=pl.lit(0.3), p_long=pl.lit(0.6))
    found = made((always_long, rows, plan.model_copy(update={"rows": rehashed(rows)})))
    assert told(found)[3]["fallback"] == "the answers of bull: its known calls are all right or all wrong"
    assert found.files == {}


def test_without_its_base_or_its_library_it_is_left_out(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    raw_oos, model_input, plan = head
    wider = plan.model_copy(update={"roles": {**plan.roles, "lstm": "model"}})
    found = made((raw_oos, model_input, wider), base="lstm")
    assert found.document["left_out"] == {
        "meta": "0 of 1 members there, 1 needed; without lstm (has no out-of-sample answers)"
    }
    monkeypatch.setattr(Logistic, "missing", lambda _: "the package is not installed")
    assert made(head).document["left_out"] == {"meta": "the package is not installed"}


def test_an_ensemble_can_be_judged(validated: Any) -> None:
    raw_oos, model_input, plan = validated("classification", {"a": 0.3, "b": 0.2})
    given = {"mean": {"kind": "mean", "members": ["a", "b"]}, "meta": META | {"base": "mean"}}
    found = combine(raw_oos, model_input, plan=plan, rules=EnsembleRules.model_validate(given), left_out={})
    first = pl.col("fold") == 1
    assert answers(found.oos).filter(first).equals(answers(found.oos, "mean").filter(first))
    assert found.document["contenders"]["meta"]["members"] == ["mean"]


def test_a_call_that_is_held_back_leans_nowhere() -> None:
    base = np.array([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    out = hold_back(base, np.array([0.4, 0.3, np.nan, 0.5]), 0.5)
    np.testing.assert_allclose(out, [[0.1, 0.8, 0.1], [0.25, 0.5, 0.25], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    np.testing.assert_array_equal(called(out), [0, 0, 0, 1])
