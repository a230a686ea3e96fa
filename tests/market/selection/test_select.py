"""Selection: what is dropped, what every method prefers, and which rows it may read."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.errors import DataError, SplitError
from assay.market.selection import Selection, SelectionRule, Task, choose, select
from assay.market.selection.rule import Method
from assay.market.selection.sample import near_duplicates
from assay.market.splits import holdout_tail
from assay.market.weights import WeightRule
from assay.market.workload import Kind

METHODS: tuple[Method, ...] = (
    "univariate",
    "mutual_information",
    "f_test",
    "recursive",
    "tree",
    "shap",
    "permutation",
)
KINDS: tuple[Kind, ...] = ("classification", "regression")
Market = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    """``signal`` is useful, ``twin`` repeats it, ``weak`` follows it at a distance, the rest is noise or unusable."""
    features, labels = toy_market(bars=400, skill=0.7)
    rng = np.random.default_rng(1)
    weak = features["signal"] + pl.Series(rng.standard_normal(800))
    sparse = pl.when(pl.Series(rng.random(800) < 0.3)).then("signal")
    return features.with_columns(weak.alias("weak").cast(pl.Float32), sparse.alias("sparse")), labels


def chosen(market: Market, kind: Kind = "classification", seed: int = 0, **rule: Any) -> Selection:
    task = rule.pop("task", Task(kind, seed=seed))
    return select(*market, SelectionRule(**({"methods": ("univariate",)} | rule)), task=task)


def best(selection: Selection, method: str) -> list[str]:
    ranks = selection.ranks[method]
    return sorted(ranks, key=lambda name: ranks[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_prefers_the_planted_feature_to_its_shadow_and_noise(
    method: Method, kind: Kind, market: Market
) -> None:
    got = chosen(market, kind, methods=(method,), features=3)
    ranked = best(got, method)
    assert ranked[0] in {"signal", "twin"}
    assert len({"signal", "twin"} & set(ranked)) == 1
    assert set(ranked[1:]) == {"weak", "return_1", "noise_0", "noise_1", "noise_2", "noise_3"}
    assert ranked[0] in got.kept
    if method in ("univariate", "f_test"):  # given the signal, its shadow says nothing more to a tree
        assert ranked[1] == "weak"


def test_what_is_dropped_and_why(market: Market) -> None:
    got = chosen(market, features=4)
    twin = {"signal", "twin"} & set(got.kept)
    other = {"signal", "twin"} - twin
    assert got.dropped[other.pop()] == f"correlation 1.000 with {twin.pop()}"
    assert got.dropped["constant"] == "constant"
    assert got.dropped["sparse"].startswith("coverage 0.")
    assert got.dropped["sparse"].endswith("below 0.5")
    late = sorted(reason for reason in got.dropped.values() if reason.startswith("consensus"))
    assert late == [f"consensus rank {place} of 7" for place in (5, 6, 7)]
    assert set(got.kept) | set(got.dropped) == set(market[0].columns[2:])
    assert not set(got.kept) & set(got.dropped)
    assert list(got.kept) == [name for name in market[0].columns if name in got.kept]


def test_the_limits_decide_what_is_ranked(market: Market) -> None:
    assert "sparse" not in chosen(market).consensus
    assert "sparse" in chosen(market, min_coverage=0.2, max_correlation=1).consensus
    assert {"signal", "twin"} < set(chosen(market, max_correlation=1).consensus)
    assert "weak" not in chosen(market, max_correlation=0.5).consensus


def test_the_consensus_is_the_mean_rank_of_the_methods(market: Market) -> None:
    got = chosen(market, methods=METHODS, features=4)
    assert tuple(got.ranks) == METHODS
    for name, rank in got.consensus.items():
        assert rank == pytest.approx(np.mean([got.ranks[method][name] for method in METHODS]))
    assert all(sum(ranks.values()) == 7 * 8 / 2 for ranks in got.ranks.values())
    assert set(got.kept) == set(sorted(got.consensus, key=lambda name: got.consensus[name])[:4])


def test_every_method_has_a_say(market: Market) -> None:
    alone = {method: chosen(market, methods=(method,)).ranks[method] for method in METHODS}
    assert chosen(market, methods=METHODS).ranks == alone
    assert len({json.dumps(ranks) for ranks in alone.values()}) >= 5


def test_with_room_for_all_nothing_is_outranked(market: Market) -> None:
    got = chosen(market, features=7)
    assert set(got.kept) == set(got.consensus)
    assert chosen(market, features=500).kept == got.kept


def test_of_near_duplicates_the_better_one_stays(market: Market) -> None:
    features, labels = market
    rng = np.random.default_rng(99)
    blurred = features.select(pl.col("signal") + pl.Series(0.5 * rng.standard_normal(800)).cast(pl.Float32))
    rule = SelectionRule(max_correlation=0.85, methods=("univariate",))
    both = features.select("entity", "time", blurred["signal"].alias("blurred"), "signal")
    for table in (both, both.select("entity", "time", "signal", "blurred")):
        got = select(table, labels, rule, task=Task("regression"))
        assert got.kept == ("signal",)
        assert got.dropped["blurred"].endswith("with signal")


def test_of_equally_good_ones_the_earlier_column_stays() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 300))
    values = pl.DataFrame({"a": a, "b": a + 1, "c": -2 * a, "d": b})
    assert near_duplicates(values, np.ones(4), 0.95) == {
        "b": "correlation 1.000 with a",
        "c": "correlation 1.000 with a",
    }
    assert set(near_duplicates(values, np.array([1.0, 2, 3, 0]), 0.95)) == {"a", "b"}


@given(st.integers(0, 1_000), st.floats(0.2, 0.99))
@settings(deadline=None, max_examples=40)
def test_no_kept_pair_is_too_alike_and_no_drop_was_needless(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 8)) + 0.3 * rng.standard_normal((60, 8))
    values, scores = pl.DataFrame(X, schema=list("abcdefgh")), rng.random(8)
    dropped = near_duplicates(values, scores, limit)
    correlation = np.abs(np.corrcoef(X.T))
    kept = [column for column, name in enumerate("abcdefgh") if name not in dropped]
    assert all(correlation[i, j] <= limit + 1e-12 for i in kept for j in kept if i < j)
    for column, name in enumerate("abcdefgh"):
        if name in dropped:
            assert any(correlation[column, i] > limit - 1e-12 and scores[i] >= scores[column] for i in kept)


def test_equal_scores_share_a_rank_and_go_to_the_earlier_column(market: Market) -> None:
    labels = market[1]
    rising = np.arange(labels.height, dtype=np.float32)
    table = labels.select("entity", "time").with_columns(
        pl.Series(f"x{power}", rising ** (power + 1.0), dtype=pl.Float32) for power in range(3)
    )
    got = select(
        table, labels, SelectionRule(features=2, max_correlation=1, methods=("univariate",)), task=Task("regression")
    )
    assert got.consensus == {"x0": 2, "x1": 2, "x2": 2}
    assert got.kept == ("x0", "x1")


def test_the_rows_that_were_seen_are_told(market: Market) -> None:
    labels = market[1]
    known = labels.filter(pl.col("label").is_not_null())
    part = known.filter(holdout_tail(known, 0.15)[0])
    got = chosen(market)
    assert (got.rows, got.last_time_seen) == (part.height, part["time"].max())
    assert got.last_label_end == part["label_end"].max()
    assert chosen(market, task=Task("classification", tail=0.4)).rows < got.rows


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_the_tail_or_without_a_label_are_never_read(kind: Kind, market: Market) -> None:
    features, labels = market
    part = np.zeros(labels.height, dtype=bool)
    known = labels["label"].is_not_null().to_numpy()
    part[known] = holdout_tail(labels.filter(known), 0.15)[0]
    unknown = pl.Series(~part)
    junk = pl.Series(np.random.default_rng(0).choice([np.nan, 1e30, -1e30], labels.height))
    spoiled = features.with_columns(
        pl.when(unknown).then(junk).otherwise(name).alias(name) for name in features.columns[2:]
    ).cast(dict(features.schema))
    labelled = unknown & pl.Series(known)
    lies = labels.with_columns(
        pl.when(labelled).then(pl.lit(-1, pl.Int8)).otherwise("label").alias("label"),
        pl.when(labelled).then(1e6).otherwise("forward_return").alias("forward_return"),
    )
    rule: dict[str, Any] = {"methods": METHODS, "task": Task(kind, weights=WeightRule(kind="return_attribution"))}
    assert chosen((spoiled, lies), **rule) == chosen(market, **(rule | {"task": rule["task"]}))


@pytest.mark.parametrize(
    "change",
    [
        {"min_coverage": 0.2},
        {"max_correlation": 0.5},
        {"methods": ("univariate", "f_test")},
        {"features": 2},
        {"rows": 100},
        {"newer": 0.5, "methods": ("tree",)},
        {"rounds": 5, "methods": ("tree",)},
        {"drop": 0.9, "methods": ("recursive",), "features": 1},
        {"seed": 1, "methods": ("tree",)},
        {"kind": "regression"},
        {"task": Task("classification", tail=0.5)},
        {"task": Task("classification", weights=WeightRule(kind="return_attribution")), "methods": ("tree",)},
    ],
)
def test_every_parameter_matters(change: dict[str, Any], market: Market) -> None:
    same = {"methods": change.get("methods", ("univariate",)), "features": change.get("features", 50)}
    if len(change) == 1:
        same = {}
    assert chosen(market, **change) != chosen(market, **same)


def test_the_seed_decides_and_nothing_else_is_drawn(market: Market) -> None:
    rule: dict[str, Any] = {"methods": METHODS, "rows": 300}
    assert chosen(market, **rule) == chosen(market, **rule)
    assert chosen(market, **rule) != chosen(market, seed=1, **rule)


def test_only_so_many_rows_are_judged(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    score = choose.univariate
    monkeypatch.setattr(choose, "univariate", lambda *args: (seen.append(len(args[1])), score(*args))[1])
    assert chosen(market, rows=150).rows > 150
    assert set(seen) == {150}


def test_the_probe_is_fitted_once(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.market.selection import sample

    fits: list[Any] = []
    fit = sample.fit_probe
    monkeypatch.setattr(sample, "fit_probe", lambda *args: (fits.append(args), fit(*args))[1])
    chosen(market, methods=("tree", "shap", "permutation", "recursive"))
    assert len(fits) == 1
    older, newer, _ = fits[0]
    assert len(newer.y) / (len(older.y) + len(newer.y)) == pytest.approx(0.25, abs=0.02)
    chosen(market, methods=("univariate", "f_test"))
    assert len(fits) == 1


def test_missing_and_infinite_values_are_filled_with_the_median(market: Market) -> None:
    features, labels = market
    rows = pl.Series(np.random.default_rng(0).random(800) < 0.3)
    holes = [
        pl.when(~rows).then("signal").otherwise(fill).alias("signal") for fill in (None, float("nan"), float("inf"))
    ]
    got = [chosen((features.with_columns(hole), labels), methods=("univariate", "f_test")) for hole in holes]
    assert got[0] == got[1] == got[2] != chosen(market, methods=("univariate", "f_test"))


def test_a_selection_survives_json(market: Market) -> None:
    got = chosen(market, features=3)
    assert Selection.model_validate(json.loads(json.dumps(got.model_dump(mode="json")))) == got
    assert got.summary() == got.model_copy(update={"ranks": {}, "consensus": {}})


def test_no_feature_left_says_why(market: Market) -> None:
    features, labels = market
    with pytest.raises(DataError, match=r"none can be used[\s\S]*sparse: coverage 0.\d+ below 0.5; constant: constant"):
        chosen((features.select("entity", "time", "sparse", "constant"), labels))
    with pytest.raises(DataError, match="the table has no feature column"):
        chosen((features.select("entity", "time"), labels))


def test_what_cannot_be_learned_from_is_refused(market: Market) -> None:
    features, labels = market
    flat = labels.with_columns(pl.when(pl.col("label").is_not_null()).then(pl.lit(0, pl.Int8)).alias("label"))
    with pytest.raises(SplitError, match=r"holds a single class[\s\S]*of \[0\]"):
        chosen((features, flat))
    with pytest.raises(DataError, match="are not the same rows"):
        chosen((features.reverse(), labels))
    with pytest.raises(SplitError, match="one part would be empty"):
        chosen((features.head(3), labels.head(3)))


@pytest.mark.parametrize("methods", [(), ("tree", "tree"), ("magic",)])
def test_methods_are_some_each_once(methods: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match=r"at least one method, and each once|Input should be"):
        SelectionRule.model_validate({"methods": methods})


def test_the_default_shape() -> None:
    rule = SelectionRule()
    assert (rule.features, rule.min_coverage, rule.max_correlation) == (50, 0.5, 0.95)
    assert rule.methods == ("univariate", "shap")
