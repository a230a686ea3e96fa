"""The probe against SHAP's own explainer, a hand loop, and features that are known to matter."""

import warnings
from dataclasses import replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from assay.market.errors import SplitError
from assay.market.models.lightgbm import FILE
from assay.market.selection import probe as probes
from assay.market.selection.probe import Probe, ProbeRule, Rows, fit_probe
from assay.market.workload import Kind

KINDS: tuple[Kind, ...] = ("classification", "regression")


def rows(kind: Kind, count: int = 900, seed: int = 0) -> Rows:
    """Two features that act together, one weaker one alone, three of noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((count, 6)).astype(np.float32)
    y = X[:, 1] * (1 + X[:, 4]) + 0.5 * X[:, 2] + 0.5 * rng.standard_normal(count)
    if kind == "classification":
        y = np.where(np.abs(y) > 0.5, np.sign(y), 0).astype(np.int8)
    return Rows(X, y, np.ones(count))


def fitted(kind: Kind, seed: int = 0, rounds: int = 40) -> Probe:
    return fit_probe(rows(kind), rows(kind, seed=1), ProbeRule(kind, seed, rounds))


@pytest.fixture(scope="module", params=KINDS)
def probe(request: pytest.FixtureRequest) -> Probe:
    return fitted(request.param)


def test_shap_agrees_with_tree_explainer(probe: Probe) -> None:
    """SHAP's own code on the trees of one class after the other; by itself it would ask LightGBM for its values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    booster = lgb.Booster(model_str=probe.model.dump()[FILE].decode())
    classes = 3 if probe.rule.kind == "classification" else 1
    trees = shap.TreeExplainer(booster).model.trees
    expected = np.zeros(6)
    for label in range(classes):
        explainer = shap.TreeExplainer(trees[label::classes])
        assert explainer.model.model_type == "internal"
        expected += np.abs(explainer.shap_values(probe.newer.X.astype(float))).mean(axis=0)
    np.testing.assert_allclose(probe.shap(), expected, rtol=1e-6)


def test_permutation_agrees_with_a_hand_loop(probe: Probe) -> None:
    X, y, order = probe.newer.X, probe.newer.y, np.random.default_rng(0).permutation(900)

    def loss(inputs: np.ndarray) -> float:
        out = probe.model.predict(inputs)
        if probe.rule.kind == "regression":
            return float(np.mean([(a - b) ** 2 for a, b in zip(y, out, strict=True)]))
        return float(-np.mean([np.log(p[label + 1]) for p, label in zip(out, y, strict=True)]))

    expected = []
    for column in range(6):
        shuffled = X.copy()
        for row in range(900):
            shuffled[row, column] = X[order[row], column]
        expected.append(loss(shuffled) - loss(X))
    np.testing.assert_allclose(probe.permutation(), expected, rtol=1e-9, atol=1e-12)


def test_gain_is_that_of_the_older_rows(probe: Probe) -> None:
    booster = lgb.Booster(model_str=probe.model.dump()[FILE].decode())
    np.testing.assert_array_equal(probe.gain(), booster.feature_importance("gain"))
    assert booster.num_trees() == 40 * (3 if probe.rule.kind == "classification" else 1)


def test_features_that_matter_come_first_for_every_method(probe: Probe) -> None:
    for scores in (probe.gain(), probe.shap(), probe.permutation(), probe.recursive(keep=2, drop=0.25)):
        assert set(np.argsort(-scores)[:3]) == {1, 2, 4}


def test_the_newer_rows_shape_nothing_but_their_own_scores(probe: Probe) -> None:
    other = fit_probe(probe.older, rows(probe.rule.kind, seed=7), probe.rule)
    np.testing.assert_array_equal(other.gain(), probe.gain())
    assert not np.array_equal(other.shap(), probe.shap())
    assert not np.array_equal(other.permutation(), probe.permutation())


def test_an_unused_feature_grows_no_loss() -> None:
    sample = rows("regression")
    flat = replace(sample, X=np.where(np.arange(6) == 3, np.float32(1), sample.X))
    probe = fit_probe(flat, rows("regression", seed=1), ProbeRule("regression", 0, 20))
    assert probe.permutation()[3] == probe.shap()[3] == probe.gain()[3] == 0


def test_elimination_is_the_loop_it_says(probe: Probe) -> None:
    """Slow version: fit, drop the least gain, fit again."""
    left, rounds = list(range(6)), {}
    for step in range(9):
        model = probes._fit(probe.older, probe.rule, left)
        gain = dict(zip(left, model.importance(), strict=True))
        rounds |= {column: (step, gain[column]) for column in left}
        count = min(len(left) - 2, max(1, int(0.4 * len(left))))
        if count <= 0:
            break
        left = sorted(sorted(left, key=lambda column: gain[column])[count:])
    expected = sorted(range(6), key=lambda column: rounds[column])
    assert np.argsort(probe.recursive(keep=2, drop=0.4)).tolist() == expected


@pytest.mark.parametrize(("keep", "drop", "fits"), [(6, 0.5, 0), (3, 0.5, 1), (1, 0.5, 3), (3, 0.01, 3)])
def test_elimination_ends_where_it_should(keep: int, drop: float, fits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, seen, fit = fitted("regression", rounds=5), [], probes._fit
    monkeypatch.setattr(probes, "_fit", lambda *args: (seen.append(args[2]), fit(*args))[1])
    probe.recursive(keep=keep, drop=drop)
    assert len(seen) == fits
    assert [len(columns) for columns in seen][-1:] in ([], [keep])


def test_features_that_are_kept_rank_above_those_that_left() -> None:
    probe = fitted("classification")
    scores = probe.recursive(keep=2, drop=0.25)
    order = np.argsort(-scores)
    assert np.floor(scores)[order].tolist() == sorted(np.floor(scores).tolist(), reverse=True)
    assert (np.floor(scores) == scores.max() // 1).sum() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scores(kind: Kind) -> None:
    first, second, other = fitted(kind), fitted(kind), fitted(kind, seed=1)

    def scores(probe: Probe) -> list[Any]:
        return [
            s.tolist() for s in (probe.gain(), probe.shap(), probe.permutation(), probe.recursive(keep=2, drop=0.3))
        ]

    assert scores(first) == scores(second)
    assert all(a != b for a, b in zip(scores(first), scores(other), strict=True))


def test_rounds_and_weights_matter() -> None:
    base = fitted("regression")
    assert fitted("regression", rounds=10).gain().sum() < base.gain().sum()
    tilted = replace(base.older, weights=np.where(base.older.X[:, 1] > 0, 1.9, 0.1))
    assert not np.array_equal(fit_probe(tilted, base.newer, base.rule).gain(), base.gain())
    unseen = fit_probe(base.older, replace(base.newer, weights=tilted.weights), base.rule)
    np.testing.assert_array_equal(unseen.permutation(), base.permutation())


def test_a_single_class_cannot_be_learned() -> None:
    flat = replace(rows("classification"), y=np.zeros(900, dtype=np.int8))
    with pytest.raises(SplitError, match="holds a single class"):
        fit_probe(flat, flat, ProbeRule("classification", 0, 5))


def test_shap_values_are_those_of_rows_spread_evenly(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "EXPLAINED", 31)
    sampled = probe.shap()
    part = np.zeros(len(probe.newer.y), dtype=bool)
    part[[step * 899 // 30 for step in range(31)]] = True
    monkeypatch.setattr(probes, "EXPLAINED", 10**6)
    np.testing.assert_allclose(sampled, replace(probe, newer=probe.newer.at(part)).shap())
    assert not np.array_equal(sampled, probe.shap())
