"""The LSTM: what it reads, what it learns from one pass, and that it sees patterns in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import DataError
from assay.market.models.base import Lookback, Model, Range, Sequences
from assay.market.models.lstm import LSTM, SequenceReader
from assay.market.models.network import MLP
from assay.market.sequences import sequence_index
from assay.market.workload import Kind

torch = pytest.importorskip("torch", reason="the package torch is not installed")

LAG = 2
STEPS = 6
TINY: dict[str, Any] = {
    "hidden": 12,
    "layers": 1,
    "lookback": STEPS,
    "targets": 3,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "weight_decay": 0.01,
    "batch_size": 16,
    "max_epochs": 8,
}


def keys(bars: int, entities: int) -> pl.DataFrame:
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(bars)]
    names = np.repeat([f"E{number}" for number in range(entities)], bars)
    return pl.DataFrame({"entity": names, "time": times * entities})


def rows(bars: int = 200, entities: int = 2, seed: int = 0) -> tuple[Sequences, np.ndarray]:
    """The target is the first input two rows ago; nothing in the row itself tells it."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((entities, bars, 3)).astype(np.float32)
    y = np.roll(values[:, :, 0], LAG, axis=1) + 0.2 * rng.standard_normal((entities, bars))
    y[:, :LAG] = 0
    index = sequence_index(keys(bars, entities), STEPS, max_gap=None)
    return Sequences(values.reshape(-1, 3), index), y.ravel()


def fitted(kind: Kind = "regression", *, seed: int = 0, **changes: Any) -> Model:
    X, y = rows()
    new_X, new_y = rows(80, seed=1)
    as_class = (lambda y: np.sign(np.round(y)).astype(np.int8)) if kind == "classification" else (lambda y: y)
    model = LSTM(**(TINY | changes)).create(kind, seed=seed)
    model.fit(X, as_class(y), (new_X, as_class(new_y)))
    return model


def r2(model: Model, X: Any, y: np.ndarray) -> float:
    return float(1 - ((model.predict(X) - y) ** 2).mean() / y.var())


def test_a_pattern_in_time_is_learned_that_no_single_row_shows() -> None:
    X, y = rows(seed=2)
    assert r2(fitted(max_epochs=20), X, y) > 0.7
    train, target = rows()
    pointwise = MLP(layers=(16,), max_epochs=20).create("regression", seed=0)
    pointwise.fit(train.last, target)
    assert r2(pointwise, X.last, y) < 0.05


def test_classes_are_learned_too() -> None:
    X, y = rows(seed=2)
    out = fitted("classification", max_epochs=15).predict(X)
    assert out.shape == (400, 3)
    np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-12)
    assert (out.argmax(axis=1) - 1 == np.sign(np.round(y))).mean() > 0.65


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.integers(1, 8),
    st.data(),
)
@settings(deadline=None, max_examples=80)
def test_each_row_is_learned_once_in_an_epoch_from_what_lies_before_it(
    lengths: list[int], targets: int, data: st.DataObject
) -> None:
    lookback = targets + data.draw(st.integers(0, 4))
    seed = data.draw(st.integers(0, 100))
    rng = np.random.default_rng(seed)
    whole = np.concatenate(
        [
            sequence_index(keys(length, 1), lookback, max_gap=None) + offset * (np.arange(1) + 1)
            for length, offset in zip(lengths, np.cumsum([0, *lengths[:-1]]), strict=True)
        ]
    )
    starts = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    whole = np.where(whole < starts[:, None], -1, whole).astype(np.int32)
    index = whole[rng.permutation(len(whole))[: max(1, int(0.8 * len(whole)))]]
    reader = SequenceReader(np.zeros((sum(lengths), 1), dtype=np.float32), index, targets=targets)
    anchors, learned = reader.lessons(np.random.default_rng(seed))
    assert learned.shape == (len(anchors), targets)
    assert sorted(learned[learned >= 0].tolist()) == list(range(len(index)))
    for anchor, taught in zip(anchors, learned, strict=True):
        for step, row in enumerate(taught):
            assert row < 0 or index[row, -1] == index[anchor, lookback - targets + step]


def test_one_target_a_pass_is_one_pass_a_row() -> None:
    X, _ = rows(20)
    anchors, learned = SequenceReader(X.values, X.index, targets=1).lessons(np.random.default_rng(0))
    np.testing.assert_array_equal(anchors, np.arange(40))
    np.testing.assert_array_equal(learned, anchors[:, None])
    many, _ = SequenceReader(X.values, X.index, targets=5).lessons(np.random.default_rng(0))
    assert len(many) <= 10


def test_a_prediction_reads_its_own_sequence_and_nothing_else() -> None:
    model = fitted()
    X, _ = rows(seed=2)
    plain = model.predict(X)
    row = 230
    values = X.values.copy()
    values[np.setdiff1d(np.arange(400), X.index[row])] += 100
    changed = model.predict(Sequences(values, X.index))
    np.testing.assert_allclose(changed[row], plain[row], atol=1e-6)
    assert abs(changed[row + 1] - plain[row + 1]) > 1e-3
    values = X.values.copy()
    values[X.index[row, 0]] += 1
    assert model.predict(Sequences(values, X.index))[row] != plain[row]


def test_steps_that_are_not_there_are_read_as_the_training_mean() -> None:
    model = fitted()
    X, _ = rows(seed=2)
    mean = rows()[0].values.mean(axis=0, dtype=np.float64).astype(np.float32)
    values = np.concatenate([X.values, mean[None]])
    index = np.where(X.index < 0, 400, X.index).astype(np.int32)
    np.testing.assert_allclose(model.predict(Sequences(values, index)), model.predict(X), atol=1e-6)


def test_a_row_is_predicted_the_same_alone_and_among_others() -> None:
    model = fitted()
    X, _ = rows(400, seed=2)
    alone = np.concatenate([model.predict(X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(model.predict(X)[:50], alone, atol=1e-6)


def test_same_rows_seed_and_threads_give_the_same_bytes_and_they_open_again() -> None:
    model = fitted()
    assert fitted().dump() == model.dump()
    assert fitted(seed=1).dump() != model.dump()
    X, _ = rows(40, seed=2)
    again = LSTM(**TINY).restore(model.dump(), "regression")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.dump() == model.dump()


CHANGES: dict[str, Any] = {
    "hidden": 8,
    "layers": 2,
    "targets": 1,
    "dropout": 0.5,
    "learning_rate": 0.003,
    "lr_patience": 0,
    "lr_factor": 0.1,
    "weight_decay": 1.0,
    "batch_size": 32,
    "max_epochs": 3,
    "patience": 1,
    "clip": 0.5,
}
UNSTEADY = {"max_epochs": 15, "learning_rate": 0.3, "lr_patience": 1}  # so that the schedule matters


@pytest.mark.parametrize(("name", "value"), CHANGES.items())
def test_every_parameter_changes_the_network(name: str, value: Any) -> None:
    X, _ = rows(50, seed=2)
    base = UNSTEADY | {"patience": 12 if name == "patience" else None}
    plain, changed = fitted(**base), fitted(**(base | {name: value}))
    assert not np.array_equal(plain.predict(X), changed.predict(X))


def test_the_list_of_parameters_is_complete() -> None:
    assert sorted([*CHANGES, "lookback"]) == sorted(LSTM.tunable())


def test_the_history_says_how_far_it_looks_back() -> None:
    assert LSTM().history == Lookback(50)
    gap = timedelta(hours=2)
    assert LSTM(lookback=20, max_gap=gap).history == Lookback(20, gap)
    with pytest.raises(ValueError, match="targets must be at most lookback, found 10 and 5"):
        LSTM(lookback=5)


def test_the_default_is_the_network_that_was_asked_for() -> None:
    rule = LSTM()
    cells = rule.network(30, 1)["cells"]
    assert (cells.num_layers, cells.hidden_size, cells.input_size, cells.dropout) == (2, 64, 30, 0.2)
    assert (rule.lookback, rule.patience) == (50, 20)
    assert rule.max_epochs >= 50
    spans = {"hidden": (16, 128), "layers": (1, 3), "lookback": (10, 100), "dropout": (0.1, 0.5)}
    LSTM(search={name: Range(low=low, high=high) for name, (low, high) in spans.items()})


def test_an_explanation_adds_up_and_points_to_the_input() -> None:
    model = fitted(max_epochs=20)
    X, _ = rows(60, seed=2)
    told = model.explain(X)
    assert told is not None
    assert told.values.shape == (120, 3)
    np.testing.assert_allclose(told.values.sum(axis=1) + told.base, model.predict(X), atol=1e-5)
    assert np.abs(told.values).mean(axis=0).argmax() == 0
    lagged = X.values[X.index[LAG:60, -1 - LAG], 0]
    assert np.corrcoef(told.values[LAG:60, 0], lagged)[0, 1] > 0.9
    assert model.importance().argmax() == 0


def test_missing_values_anywhere_in_a_history_are_refused() -> None:
    X, y = rows(20)
    values = X.values.copy()
    values[19] = np.nan  # read by the last row of the first entity only
    bad = Sequences(values, X.index)
    with pytest.raises(DataError, match=r"missing or infinite[\s\S]*found: 1 of 40 rows"):
        LSTM(**TINY).create("regression", seed=0).fit(bad, y)
    model = fitted()
    with pytest.raises(DataError, match="missing or infinite"):
        model.predict(bad)
    model.predict(bad[np.arange(40) != 19])


def test_what_is_no_sequence_of_its_length_is_refused() -> None:
    X, y = rows(20)
    fresh = LSTM(**TINY).create("regression", seed=0)
    with pytest.raises(DataError, match="are no sequences"):
        fresh.fit(X.last, y)
    with pytest.raises(DataError, match=r"expected: 6 steps[\s\S]*found: 5 steps"):
        fresh.fit(Sequences(X.values, X.index[:, 1:]), y)
    with pytest.raises(DataError, match="end with their row"):
        fresh.fit(Sequences(X.values, X.index[:, ::-1]), y)
