import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.audit.fits import check_fit_scope
from assay.market.calibration import CalibrationRule, apply, brier, calibrate, calibration_error, fit
from assay.market.errors import DataError
from assay.market.models.base import called
from assay.market.tables import PROBABILITIES

MakeOos = Callable[..., pl.DataFrame]
HOUR = timedelta(hours=1)


def rule(method: str = "temperature", **values: Any) -> CalibrationRule:
    return CalibrationRule(method=method, **({"replications": 50} | values))


def matrix(table: pl.DataFrame) -> np.ndarray:
    return table.select(PROBABILITIES).to_numpy()


def start(table: pl.DataFrame, fold: int) -> Any:
    return table.filter(pl.col("fold") == fold)["time"].min()


def known(table: pl.DataFrame, folds: list[int], before: Any) -> pl.DataFrame:
    """Row by row, the slow way."""
    kept = [
        row["fold"] in folds and row["y_true"] is not None and (before is None or row["label_end"] < before)
        for row in table.iter_rows(named=True)
    ]
    return table.filter(pl.Series(kept))


def constant(table: pl.DataFrame, name: str, values: tuple[float, float, float]) -> pl.DataFrame:
    return table.with_columns(
        pl.lit(name).alias("model"), *(pl.lit(v).alias(p) for p, v in zip(PROBABILITIES, values, strict=True))
    )


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "dirichlet"])
def test_each_fold_is_fitted_accepted_and_applied_by_the_fold_rule(oos: MakeOos, method: str) -> None:
    table = oos(bars=1200, horizon=7)
    out, document = calibrate(table, rule(method, min_rows=10))
    for k in (3, 4, 5):
        past = known(table, list(range(1, k - 1)), start(table, k - 1))
        next_one = known(table, [k - 1], start(table, k))
        told = document["models"]["bold"]["folds"][k - 1]
        assert (told["fold"], told["fitted_on"], told["accepted_on"]) == (k, list(range(1, k - 1)), k - 1)
        assert told["rows"] == past.height
        state = fit(
            matrix(past), past["y_true"].to_numpy() + 1, rule=rule(method), effective_rows=told["effective_rows"]
        )
        judged, truth = matrix(next_one), next_one["y_true"].to_numpy() + 1
        assert told["brier_before"] == pytest.approx(brier(judged, truth).mean())
        assert told["brier_after"] == pytest.approx(brier(apply(state, judged), truth).mean())
        assert told["accepted"]
        assert matrix(out.filter(pl.col("fold") == k)) == pytest.approx(
            apply(state, matrix(table.filter(pl.col("fold") == k)))
        )


def test_labels_that_reach_the_accepting_fold_are_purged(oos: MakeOos) -> None:
    short, long = (calibrate(oos(bars=1200, horizon=h), rule())[1]["models"]["bold"]["folds"] for h in (2, 30))
    assert [fold["rows"] for fold in short[2:]] == [2 * (240 * k - 2) for k in (1, 2, 3)]
    assert [fold["rows"] for fold in long[2:]] == [2 * (240 * k - 30) for k in (1, 2, 3)]


def test_what_is_known_only_later_changes_nothing_before(oos: MakeOos) -> None:
    table = oos(bars=900, horizon=5)
    cut = start(table, 4)
    later = pl.col("label_end") >= cut
    turned = table.with_columns(
        pl.when(later).then(pl.Series(called(matrix(table)))).otherwise("y_true").alias("y_true"),  # bold, and right
        pl.when(later).then(3 * pl.col("forward_return") ** 2).otherwise("forward_return").alias("forward_return"),
    )
    before, after = calibrate(table, rule("sigmoid"))[0], calibrate(turned, rule("sigmoid"))[0]
    same = pl.col("fold") <= 4
    assert np.array_equal(matrix(before.filter(same)), matrix(after.filter(same)))
    assert not np.array_equal(matrix(before.filter(~same)), matrix(after.filter(~same)))


def test_the_future_need_not_be_there(oos: MakeOos) -> None:
    table = oos(bars=900)
    whole, document = calibrate(table, rule("dirichlet"))
    part, less = calibrate(table.filter(pl.col("fold") <= 4), rule("dirichlet"))
    assert np.array_equal(matrix(whole.filter(pl.col("fold") <= 4)), matrix(part))
    assert document["models"]["bold"]["folds"][:4] == less["models"]["bold"]["folds"]


def test_what_serves_is_made_as_for_a_fold_after_the_last(oos: MakeOos) -> None:
    table = oos(bars=900)
    _, document = calibrate(table.filter(pl.col("fold") <= 4), rule("sigmoid"))
    done = table.with_columns(pl.when(pl.col("fold") < 5).then("y_true").alias("y_true"))
    # the last labels of fold 4 end in fold 5, and are known once all is over
    inside = known(done, [4], start(done, 5)).height
    _, more = calibrate(done, rule("sigmoid"))
    final, as_fold = document["models"]["bold"]["final"], more["models"]["bold"]["folds"][4]
    assert {"fold": 5, **final} | dict.fromkeys(("brier_before", "brier_after", "said")) == as_fold | dict.fromkeys(
        ("brier_before", "brier_after", "said")
    )
    assert final["brier_after"] == pytest.approx(as_fold["brier_after"], rel=0.01)
    assert inside < table.filter(pl.col("fold") == 4).height
    fresh = matrix(table.filter(pl.col("fold") == 5))
    assert apply(document["final"]["bold"], fresh) == pytest.approx(
        matrix(calibrate(done, rule("sigmoid"))[0].filter(pl.col("fold") == 5))
    )


def test_a_bold_model_becomes_better_and_a_good_one_is_left_alone(oos: MakeOos) -> None:
    bold = calibrate(oos(bars=2000), rule("temperature"))[1]["models"]["bold"]["brier"]
    assert bold["calibrated"] < bold["raw"] - 0.08
    table = oos(bars=2000, sharpness=1.0)
    out, document = calibrate(table, rule("temperature", margin=0.002))
    assert np.array_equal(matrix(out), matrix(table))
    assert document["final"] == {"bold": None}
    assert "refused: Brier score" in document["models"]["bold"]["folds"][3]["said"]
    assert "0.20% less was asked for" in document["models"]["bold"]["folds"][3]["said"]


def test_a_calibrator_that_does_harm_is_refused(oos: MakeOos) -> None:
    """Bold in the first two folds, fine afterwards."""
    bold, fine = oos(bars=1500, sharpness=4.0), oos(bars=1500, sharpness=1.0)
    table = pl.concat([bold.filter(pl.col("fold") <= 2), fine.filter(pl.col("fold") > 2)]).sort("entity", "time")
    out, document = calibrate(table, rule())
    folds = document["models"]["bold"]["folds"]
    assert [fold["accepted"] for fold in folds[:4]] == [False, False, True, False]
    assert folds[3]["brier_after"] > folds[3]["brier_before"]
    assert np.array_equal(matrix(out.filter(pl.col("fold") == 4)), matrix(table.filter(pl.col("fold") == 4)))


def test_margin_is_a_share_of_the_score_before(oos: MakeOos) -> None:
    table = oos(bars=900)
    told = calibrate(table, rule())[1]["models"]["bold"]["folds"][2]
    gain = 1 - told["brier_after"] / told["brier_before"]
    for margin, accepted in ((gain - 0.001, True), (gain + 0.001, False)):
        assert calibrate(table, rule(margin=margin))[1]["models"]["bold"]["folds"][2]["accepted"] is accepted


def test_rules_of_thumb_are_left_alone(oos: MakeOos) -> None:
    table = oos(bars=900)
    last = pl.when(pl.col("p_long") > 0.5).then(0.5).otherwise(0.25)
    sides = table.with_columns(
        pl.lit("last_sign").alias("model"), last.alias("p_long"), (0.75 - last).alias("p_short"), p_neutral=0.25
    )
    prior = constant(table, "class_prior", (0.3, 0.4, 0.3))
    out, document = calibrate(pl.concat([prior, sides]), rule("sigmoid"))
    assert np.array_equal(matrix(out), matrix(pl.concat([prior, sides])))
    for name in ("class_prior", "last_sign"):
        told = document["models"][name]
        assert "at most 3 different values" in told["folds"][4]["said"]
        assert "at most 3 different values" in told["final"]["said"]
        assert document["final"][name] is None
    assert document["fits"] == []


def test_four_values_are_a_score(oos: MakeOos) -> None:
    table = oos(bars=900)
    four = pl.col("p_long").rank("dense") % 4 * 0.1 + 0.1
    table = table.with_columns(four.alias("p_long"), (0.9 - four).alias("p_short"), p_neutral=0.1)
    assert calibrate(table, rule())[1]["models"]["bold"]["folds"][2]["fitted_on"] == [1]
    assert calibrate(table, rule())[1]["models"]["bold"]["folds"][2]["accepted_on"] == 2


def test_models_do_not_know_each_other_and_rows_stay_where_they_are(oos: MakeOos) -> None:
    first, second = oos(bars=600, seed=1), oos(bars=600, seed=2).with_columns(pl.lit("other").alias("model"))
    some = second.filter(pl.col("entity") == "E1")
    out, document = calibrate(pl.concat([some, first]), rule())
    alone = calibrate(first, rule())
    assert out.filter(pl.col("model") == "bold").equals(alone[0])
    assert document["models"]["bold"]["folds"] == alone[1]["models"]["bold"]["folds"]
    assert list(document["models"]) == ["other", "bold"]
    assert out.select(pl.exclude("y_pred", *PROBABILITIES)).equals(
        pl.concat([some, first]).select(pl.exclude("y_pred", *PROBABILITIES))
    )
    assert out.schema == first.schema


def test_rows_without_a_label_are_calibrated_but_never_used(oos: MakeOos) -> None:
    table = oos(bars=900)
    rng = np.random.default_rng(3)
    some = pl.Series(rng.random(table.height) < 0.2)
    holes = table.with_columns(pl.when(~some).then(name).alias(name) for name in ("label_end", "y_true"))
    out, document = calibrate(holes, rule())
    told = document["models"]["bold"]["folds"][4]
    assert told["rows"] == known(holes, [1, 2, 3], start(table, 4)).height
    last = pl.col("fold") == 5
    temperature = fit(
        matrix(known(holes, [1, 2, 3], start(table, 4))),
        known(holes, [1, 2, 3], start(table, 4))["y_true"].to_numpy() + 1,
        rule=rule(),
        effective_rows=1.0,
    )
    assert matrix(out.filter(last)) == pytest.approx(apply(temperature, matrix(table.filter(last))))


def test_calls_follow_the_calibrated_probabilities(oos: MakeOos) -> None:
    out, _ = calibrate(oos(), rule("dirichlet"))
    assert np.array_equal(out["y_pred"].to_numpy(), called(matrix(out)))
    assert out.schema["y_pred"] == pl.Int8


@pytest.mark.parametrize("folds", [1, 2])
def test_with_fewer_than_three_folds_nothing_is_calibrated_but_all_is_judged(oos: MakeOos, folds: int) -> None:
    table = oos(folds=folds)
    out, document = calibrate(table, rule())
    assert np.array_equal(matrix(out), matrix(table))
    told = document["models"]["bold"]
    assert all("needs two earlier folds" in fold["said"] for fold in told["folds"])
    assert document["judged_on"] == list(range(1, folds + 1))
    assert told["brier"]["raw"] == told["brier"]["calibrated"]


def test_too_few_effective_rows_are_said(oos: MakeOos) -> None:
    table = oos(bars=600, horizon=6)
    told = calibrate(table, rule("isotonic"))[1]["models"]["bold"]["folds"][3]
    assert 35 < told["effective_rows"] < 65
    assert told["said"] == f"{told['effective_rows']:.0f} effective rows, isotonic needs 1000"
    assert calibrate(table, rule("isotonic", min_rows=20))[1]["models"]["bold"]["folds"][3]["accepted"]


def test_none_asks_for_nothing(oos: MakeOos) -> None:
    table = oos()
    out, document = calibrate(table, rule("none"))
    assert np.array_equal(matrix(out), matrix(table))
    assert document["method"] == "none"
    assert document["models"]["bold"]["final"]["said"] == "no calibration was asked for"


def test_fits_pass_the_audit_of_the_fit_scope(oos: MakeOos) -> None:
    table = oos(bars=900)
    fits = calibrate(table, rule("sigmoid"))[1]["fits"]
    assert [(one["model"], one["fold"], one["what"]) for one in fits] == [("bold", k, "calibration") for k in (3, 4, 5)]
    assert check_fit_scope(fits, {})["outcome"] == "pass"
    seen = known(table, [1, 2, 3], start(table, 4))
    assert fits[1]["last_time_seen"] == seen["time"].max().isoformat()
    assert fits[1]["last_label_end"] == seen["label_end"].max().isoformat()
    assert fits[1]["test_start"] == start(table, 4).isoformat()


def test_all_is_judged_on_the_folds_that_a_calibrator_reaches(oos: MakeOos) -> None:
    table = oos(bars=900)
    out, document = calibrate(table, rule("sigmoid"))
    told, rows = document["models"]["bold"], pl.col("fold").is_in([3, 4, 5]) & pl.col("y_true").is_not_null()
    y = table.filter(rows)["y_true"].to_numpy() + 1
    raw, calibrated = matrix(table.filter(rows)), matrix(out.filter(rows))
    assert document["judged_on"] == [3, 4, 5]
    assert told["rows"] == len(y)
    scores = told["brier"]
    assert (scores["raw"], scores["calibrated"]) == pytest.approx((brier(raw, y).mean(), brier(calibrated, y).mean()))
    parts = scores["reliability"] - scores["resolution"] + scores["uncertainty"] + scores["within"]
    assert parts == pytest.approx(scores["calibrated"])
    assert told["ece"]["raw"] == pytest.approx(calibration_error(raw, y))
    assert told["ece"]["value"] == pytest.approx(calibration_error(calibrated, y))
    assert sum(one["rows"] for one in told["reliability"]) == 3 * len(y)


def test_error_is_held_against_its_null_in_words(oos: MakeOos) -> None:
    raw, done = (
        calibrate(oos(bars=1500), rule(method))[1]["models"]["bold"]["ece"] for method in ("none", "temperature")
    )
    assert raw["value"] > 2 * raw["null_95"]
    assert raw["said"].startswith("miscalibrated: an error of")
    assert done["value"] <= done["null_95"]
    assert "shows nothing" in done["said"]


def test_draws_and_intervals_follow_their_parameters(oos: MakeOos) -> None:
    table = oos(bars=400)

    def told(**values: Any) -> tuple[float, float]:
        model = calibrate(table, rule(**values))[1]["models"]["bold"]
        return model["ece"]["null_95"], model["reliability"][0]["high"]

    first = told(seed=1)
    assert first == told(seed=1)
    assert first[0] != told(seed=2)[0]
    assert first[0] != told(seed=1, replications=80)[0]
    assert first[1] < told(seed=1, confidence=0.99)[1]


def test_l2_reaches_the_fit(oos: MakeOos) -> None:
    free, bound = (calibrate(oos(), rule("dirichlet", l2=l2))[1]["final"]["bold"] for l2 in (0.001, 100.0))
    assert max(map(abs, bound["intercept"])) < 0.01 < max(map(abs, free["intercept"]))


def test_document_is_json_whatever_is_missing(oos: MakeOos) -> None:
    table = oos()
    blank = table.with_columns(
        pl.lit("blank").alias("model"), pl.lit(None, dtype=pl.Int8).alias("y_true"), pl.lit(None).alias("label_end")
    ).select(table.columns)
    out, document = calibrate(pl.concat([table, blank.cast(dict(table.schema))]), rule())
    json.dumps(document, allow_nan=False)
    told = document["models"]["blank"]
    assert (told["rows"], told["reliability"], told["ece"]["value"]) == (0, [], None)
    assert told["final"]["said"] == "no labelled rows were known in time"
    assert out.filter(pl.col("model") == "bold").equals(calibrate(table, rule())[0])
    nothing, empty = calibrate(table.head(0), rule())
    assert nothing.height == 0
    assert empty["models"] == empty["final"] == {}


@pytest.mark.parametrize("wrong", [None, float("nan"), -0.2, 0.9])
def test_what_is_no_distribution_is_refused(oos: MakeOos, wrong: float | None) -> None:
    table = oos(bars=50)
    broken = table.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(wrong)).otherwise("p_long").alias("p_long")
    )
    with pytest.raises(DataError, match=r"1 of 100 rows break this"):
        calibrate(broken, rule())


def test_what_is_decided_already_stays_as_it_is(oos: MakeOos) -> None:
    table = oos(bars=1200)
    both = pl.concat([table, table.with_columns(model=pl.lit("held back"))])
    out, document = calibrate(both, rule("sigmoid"), decided=["held back"])
    kept = out.filter(pl.col("model") == "held back")
    assert kept.select(PROBABILITIES).equals(table.select(PROBABILITIES))
    assert document["final"]["held back"] is None
    assert not out.filter(pl.col("model") == "bold").select(PROBABILITIES).equals(table.select(PROBABILITIES))
