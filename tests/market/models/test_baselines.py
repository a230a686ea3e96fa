"""The baselines against values worked out by hand."""

import json

import numpy as np
import pytest

from assay.market.models import ModelParams, build

NAN = float("nan")


def test_class_prior_repeats_the_training_shares() -> None:
    model = build(ModelParams.model_validate({"kind": "class_prior"}).root, "classification", seed=0)
    model.fit(np.empty((4, 0), dtype=np.float32), np.array([1, 1, -1, 0], dtype=np.int8))
    assert model.predict(np.empty((2, 0), dtype=np.float32)).tolist() == [[0.25, 0.25, 0.5]] * 2
    assert model.importance().tolist() == []
    assert json.loads(model.dump()["model.json"]) == [0.25, 0.25, 0.5]


def test_zero_predicts_zero() -> None:
    model = build(ModelParams.model_validate({"kind": "zero"}).root, "regression", seed=0)
    model.fit(np.empty((2, 0), dtype=np.float32), np.array([1.0, 3.0]))
    assert model.predict(np.empty((3, 0), dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]


def test_last_sign_follows_the_last_return() -> None:
    X = np.array([[0.2], [-0.1], [0.0], [NAN]], dtype=np.float32)
    rule = ModelParams.model_validate({"kind": "last_sign"}).root
    assert rule.inputs == ("return_1",)
    classifier = build(rule, "classification", seed=0)
    classifier.fit(X, np.array([1, 0, 0, -1], dtype=np.int8))
    third = [1 / 3] * 3
    assert classifier.predict(X).tolist() == [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25], third, third]
    regressor = build(rule, "regression", seed=0)
    regressor.fit(X, np.array([0.01, -0.03, 0.02, 0.0]))
    np.testing.assert_allclose(regressor.predict(X), [0.015, -0.015, 0, 0])
    assert regressor.importance().tolist() == [1.0]


@pytest.mark.parametrize(
    ("y", "answer"), [([1, 0, 0, 1, -1], [0.25, 0.25, 0.5]), ([-1, 0, 0, 1, -1], [0.5, 0.25, 0.25])]
)
def test_drift_takes_the_commoner_side(y: list[int], answer: list[float]) -> None:
    model = build(ModelParams.model_validate({"kind": "drift"}).root, "classification", seed=0)
    model.fit(np.zeros((len(y), 0), dtype=np.float32), np.array(y))
    np.testing.assert_array_equal(model.predict(np.zeros((2, 0), dtype=np.float32)), [answer, answer])


def test_drift_of_returns_is_their_mean() -> None:
    model = build(ModelParams.model_validate({"kind": "drift"}).root, "regression", seed=0)
    model.fit(np.zeros((3, 0), dtype=np.float32), np.array([0.01, 0.03, -0.01]))
    np.testing.assert_allclose(model.predict(np.zeros((2, 0), dtype=np.float32)), [0.01, 0.01])
