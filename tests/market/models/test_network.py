"""The perceptron, and what all networks promise: schedule, weights, repeatability, explanation."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from assay.market.errors import DataError, DivergedError
from assay.market.models import base
from assay.market.models.base import Choice, Explained, Model, Range, Sequences
from assay.market.models.network import MLP
from assay.market.workload import Kind

torch = pytest.importorskip("torch", reason="the package torch is not installed")

KINDS: tuple[Kind, ...] = ("classification", "regression", "binary")
TINY: dict[str, Any] = {"layers": (16, 8), "dropout": 0.1, "learning_rate": 0.01, "batch_size": 64, "max_epochs": 12}
Rows = tuple[np.ndarray, np.ndarray]


def rows(kind: Kind, n: int = 500, seed: int = 0, sign: float = 1.0) -> Rows:
    """A product of two inputs, with a third that says nothing and a fourth that is constant."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)).astype(np.float32)
    X[:, 3] = 7.0
    y = sign * (X[:, 0] * X[:, 1] + 0.5 * X[:, 0]) + 0.3 * rng.standard_normal(n)
    if kind == "regression":
        return X, y
    return X, (np.where(np.abs(y) > 0.5, np.sign(y), 0).astype(np.int8) if kind == "classification" else y > 0)


def fitted(kind: Kind = "regression", *, seed: int = 0, weight: np.ndarray | None = None, **changes: Any) -> Model:
    X, y = rows(kind)
    model = MLP(**(TINY | changes)).create(kind, seed=seed)
    model.fit(X, y, rows(kind, 200, seed=1), weight=weight)
    return model


def loss(kind: Kind, out: np.ndarray, y: np.ndarray) -> float:
    if kind == "regression":
        return float(((out - y) ** 2).mean())
    chosen = out[np.arange(len(y)), y.astype(int) + 1] if kind == "classification" else np.where(y, out, 1 - out)
    return float(-np.log(chosen).mean())


def margins(kind: Kind, out: np.ndarray) -> np.ndarray:
    """Predictions in the unit of explanations; scores of classes count only by their differences."""
    if kind == "classification":
        return np.log(out) - np.log(out).mean(axis=1, keepdims=True)
    return np.log(out / (1 - out)) if kind == "binary" else out


def test_a_nonlinear_function_is_learned() -> None:
    X, y = rows("regression", 2000)
    model = MLP(**(TINY | {"max_epochs": 40})).create("regression", seed=0)
    model.fit(X, y, rows("regression", 300, seed=1))
    Z, z = rows("regression", 500, seed=2)
    assert 1 - loss("regression", model.predict(Z), z) / z.var() > 0.8


@pytest.mark.parametrize("kind", ["classification", "binary"])
def test_probabilities_beat_the_shares_of_the_classes(kind: Kind) -> None:
    X, y = rows(kind, seed=2)
    out = fitted(kind).predict(X)
    assert out.shape == ((500, 3) if kind == "classification" else (500,))
    assert out.dtype == np.float64
    assert ((out > 0) & (out < 1)).all()
    if kind == "classification":
        np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-12)
    shares = np.unique(y, return_counts=True)[1] / len(y)
    assert loss(kind, out, y) < 0.8 * -(shares * np.log(shares)).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_training_sets_out_from_the_answer_that_knows_no_inputs(kind: Kind) -> None:
    X, y = rows(kind)
    weight = np.where(y > 0, 1.5, 0.5)
    model = MLP(**(TINY | {"learning_rate": 1e-9, "max_epochs": 1})).create(kind, seed=0)
    model.fit(X, y, weight=weight)
    shares = [weight[y == label].sum() / weight.sum() for label in (-1, 0, 1)]
    expected = {"classification": shares, "binary": shares[2], "regression": np.average(y, weights=weight)}[kind]
    np.testing.assert_allclose(model.predict(X), np.broadcast_to(expected, model.predict(X).shape), atol=1e-5)


@pytest.mark.parametrize("missing", [-1, 0, 1])
def test_columns_stay_in_place_when_a_class_never_occurs(missing: int) -> None:
    X, y = rows("classification")
    model = MLP(**TINY).create("classification", seed=0)
    model.fit(X[y != missing], y[y != missing])
    assert model.predict(X)[:, missing + 1].max() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_same_rows_seed_and_threads_give_the_same_bytes(kind: Kind) -> None:
    plain = fitted(kind).dump()
    assert fitted(kind).dump() == plain
    assert fitted(kind, seed=1).dump() != plain


def test_two_threads_give_the_same_bytes_again() -> None:
    settings = {"threads": 2, "max_epochs": 1, "batch_size": 500}
    assert fitted(**settings).dump() == fitted(**settings).dump()


def test_the_state_of_torch_is_neither_read_nor_changed() -> None:
    plain = fitted()
    X, _ = rows("regression", 50, seed=2)
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(threads + 1)
        before = torch.get_rng_state()
        with torch.inference_mode():
            model = fitted()
            out, told = model.predict(X), model.explain(X)
        assert model.dump() == plain.dump()
        np.testing.assert_array_equal(out, plain.predict(X))
        assert isinstance(told, Explained)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_num_threads() == threads + 1
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)


def test_the_best_epoch_on_the_tail_is_restored() -> None:
    X, y = rows("regression", 60)
    tail = rows("regression", 100, seed=1)
    settings = TINY | {"learning_rate": 0.05, "patience": 4, "max_epochs": 30}
    scores, models = [], []
    for epochs in range(1, 31):
        model = MLP(**(settings | {"max_epochs": epochs, "patience": 100})).create("regression", seed=0)
        model.fit(X, y, tail)
        models.append(model)
        scores.append(loss("regression", model.predict(tail[0]), tail[1]))
    stopped = MLP(**settings).create("regression", seed=0)
    stopped.fit(X, y, tail)
    # Each of the others was cut at its own best so far, so that their scores are running minima.
    falls = [epoch for epoch, score in enumerate(scores, 1) if score < min([np.inf, *scores[: epoch - 1]])]
    gaps = np.diff([*falls, 1000])
    expected = falls[int(np.argmax(gaps >= 5))]
    assert expected < 26
    assert stopped.best_iteration == expected
    np.testing.assert_array_equal(stopped.predict(X), models[expected - 1].predict(X))


def test_early_stopping_listens_to_the_tail() -> None:
    X, y = rows("regression")
    kept = []
    for sign in (1, -1):
        model = MLP(**TINY).create("regression", seed=0)
        model.fit(X, y, rows("regression", 200, seed=1, sign=sign))
        kept.append(model.best_iteration or 0)
    assert kept[0] > 5
    assert kept[1] <= 2


def test_without_early_stopping_all_epochs_are_taken_and_the_tail_changes_nothing() -> None:
    X, y = rows("regression")
    outs = []
    for tail in (None, rows("regression", 200, seed=1, sign=-1)):
        model = MLP(**(TINY | {"patience": None})).create("regression", seed=0)
        model.fit(X, y, tail)
        assert model.best_iteration is None
        outs.append(model.predict(X))
    np.testing.assert_array_equal(*outs)
    assert MLP().stops_early
    assert not MLP(patience=None).stops_early


def test_a_network_believes_the_rows_that_weigh_more() -> None:
    X, y = rows("regression")
    y = np.where(np.arange(500) < 250, y, -y)
    Z, z = rows("regression", seed=2)
    leans = []
    for older in (1.9, 0.1):
        model = MLP(**TINY).create("regression", seed=0)
        model.fit(X, y, weight=np.where(np.arange(500) < 250, older, 2 - older))
        leans.append(np.corrcoef(model.predict(Z), z)[0, 1])
    assert leans[0] > 0.5
    assert leans[1] < -0.5


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_no_weight_are_as_if_not_there(kind: Kind) -> None:
    X, y = rows(kind)
    weight = np.where(np.arange(500) < 400, 1.25, 0.0)
    X[400:] = 1e6
    models = [MLP(**TINY).create(kind, seed=0) for _ in range(2)]
    models[0].fit(X, y, weight=weight)
    models[1].fit(X[:400], y[:400], weight=weight[:400])
    assert models[0].dump() == models[1].dump()
    assert fitted(kind, weight=np.ones(500)).dump() == fitted(kind).dump()


CHANGES: dict[str, Any] = {
    "dropout": 0.5,
    "learning_rate": 0.003,
    "lr_patience": 0,
    "lr_factor": 0.1,
    "weight_decay": 1.0,
    "batch_size": 128,
    "max_epochs": 3,
    "patience": 1,
    "clip": 0.5,
}
UNSTEADY = {"max_epochs": 20, "learning_rate": 0.05, "lr_patience": 2}  # so that the schedule matters


@pytest.mark.parametrize(("name", "value"), [*CHANGES.items(), ("layers", (16,)), ("batch_norm", False)])
def test_every_parameter_changes_the_network(name: str, value: Any) -> None:
    X, _ = rows("regression", 50, seed=2)
    settings = UNSTEADY | {"patience": 20 if name == "patience" else None}
    plain, changed = fitted(**settings), fitted(**(settings | {name: value}))
    assert not np.array_equal(plain.predict(X), changed.predict(X))


def test_a_decay_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be below 1, or no weight is left, found 0\.1 and 10\.0"):
        MLP(learning_rate=0.1, weight_decay=10.0)


def test_the_list_of_parameters_is_complete() -> None:
    assert sorted(CHANGES) == sorted(MLP.tunable())


def test_the_number_of_threads_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    fitted(threads=3, max_epochs=1)
    assert taken[0] == 3


def test_the_architecture_can_be_searched() -> None:
    search = {
        "layers": Choice(options=((64, 32), (128, 64, 32), (256, 128, 64, 32))),
        "dropout": Range(low=0.1, high=0.5),
        "learning_rate": Range(low=1e-4, high=1e-2, log=True),
    }
    rule = MLP(search=search).with_values({"layers": [64, 32], "dropout": 0.2})
    assert rule.layers == (64, 32)
    network = rule.network(10, 3)
    assert [tuple(part.weight.shape) for part in network["hidden"] if isinstance(part, torch.nn.Linear)] == [
        (64, 10),
        (32, 64),
    ]


def test_the_default_is_the_network_that_was_asked_for() -> None:
    rule = MLP()
    parts = [type(part).__name__ for part in rule.network(50, 1)["hidden"]]
    assert parts == ["Linear", "BatchNorm1d", "SiLU", "Dropout"] * 3
    assert (rule.layers, rule.dropout, rule.patience) == ((128, 64, 32), 0.3, 20)
    assert rule.max_epochs >= 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_predicted_the_same_alone_and_among_others(kind: Kind) -> None:
    model = fitted(kind)
    X, _ = rows(kind, 9000, seed=2)
    alone = np.concatenate([model.predict(X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(model.predict(X)[:50], alone, rtol=1e-6, atol=1e-6)
    assert model.predict(X[:0]).shape == model.predict(X)[:0].shape


def test_what_lies_far_outside_is_cut() -> None:
    model = fitted(clip=3.0)
    X = rows("regression")[0]
    mean, scale = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    edge = (mean + [3.0, 0, 0, 0] * scale).astype(np.float32)[None]
    far = edge.copy()
    far[0, 0] = np.finfo(np.float32).max
    np.testing.assert_allclose(model.predict(far), model.predict(edge), atol=1e-5)
    assert abs(model.predict(edge) - model.predict((edge - mean) / 2 + mean)) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_adds_up_to_the_margin(kind: Kind) -> None:
    model = fitted(kind)
    X, _ = rows(kind, 400, seed=2)
    told = model.explain(X)
    assert told is not None
    assert told.values.shape == ((400, 4, 3) if kind == "classification" else (400, 4))
    total = told.values.sum(axis=1) + told.base
    if kind == "classification":
        total -= total.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(total, margins(kind, model.predict(X)), atol=1e-5)
    assert np.abs(told.values[:, 3]).max() < 1e-6  # the constant
    sizes = np.abs(told.values).reshape(400, 4, -1).mean(axis=(0, 2))
    assert min(sizes[:2]) > 3 * sizes[2]


def test_importance_is_largest_for_what_matters() -> None:
    weights = fitted().importance()
    assert weights.shape == (4,)
    assert sorted(weights.argsort()[-2:]) == [0, 1]
    assert weights[3] == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_missing_values_are_refused(wrong: float) -> None:
    X, y = rows("regression")
    bad, bad_y = X.copy(), y.copy()
    bad[3, 2] = bad_y[3] = wrong
    with pytest.raises(DataError, match=r"missing or infinite[\s\S]*found: 1 of 500 rows"):
        MLP(**TINY).create("regression", seed=0).fit(bad, y)
    with pytest.raises(DataError, match="missing or infinite"):
        MLP(**TINY).create("regression", seed=0).fit(X, y, (bad, y))
    with pytest.raises(DataError, match="missing or infinite"):
        fitted().predict(bad)
    with pytest.raises(DataError, match=r"targets of a network[\s\S]*500 rows, 1 without a value"):
        MLP(**TINY).create("regression", seed=0).fit(X, bad_y)


def test_a_single_row_is_refused() -> None:
    X, y = rows("regression")
    with pytest.raises(DataError, match="at least 2"):
        MLP(**TINY).create("regression", seed=0).fit(X[:1], y[:1])


def test_sequences_are_refused() -> None:
    X, y = rows("regression", 5)
    with pytest.raises(DataError, match="are sequences"):
        MLP(**TINY).create("regression", seed=0).fit(Sequences(X, np.zeros((5, 2), dtype=np.int32)), y)


def test_a_loss_that_is_no_number_is_told() -> None:
    X, y = rows("regression")
    with pytest.raises(DivergedError, match=r"training diverged[\s\S]*lower learning_rate"):
        MLP(**TINY).create("regression", seed=0).fit(X, y * 1e30)


def test_without_torch_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MLP().missing() is None
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    assert "torch is not installed" in (MLP().missing() or "")
    assert MLP.install in (MLP().missing() or "")


def test_parameters_are_read_without_torch() -> None:
    code = (
        "import sys; from assay.market.models.network import MLP; from assay.market.models.lstm import LSTM;"
        "MLP(); LSTM().history; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
