"""Rows of entities, the work that is spread over them, and the word about compiling."""

import logging
import threading
import time

import numpy as np
import polars as pl
import pytest

import assay.market.features.announce as announce
import assay.market.features.entities as entities
from assay.market.features.announce import announced
from assay.market.features.entities import Rows, Spans, in_parallel, spans_of

NAMES = pl.Series(["A"] * 4 + ["B"] + ["C"] * 5)
WANTED = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 1], dtype=bool)


def lists(spans: Spans) -> tuple[list[int], ...]:
    return spans.starts.tolist(), spans.firsts.tolist(), spans.stops.tolist()


def test_rows_of_each_entity() -> None:
    assert lists(spans_of(NAMES)) == ([0, 4, 5], [0, 4, 5], [4, 5, 10])
    assert lists(spans_of(NAMES, WANTED)) == ([0, 4, 5], [3, 5, 7], [4, 5, 10])
    assert lists(spans_of(NAMES, WANTED).everywhere()) == lists(spans_of(NAMES))
    assert lists(spans_of(NAMES.clear())) == ([], [], [])


def test_wanted_rows_and_the_history_before_them() -> None:
    spans = spans_of(NAMES, WANTED)
    assert spans.wanted().tolist() == np.flatnonzero(WANTED).tolist()
    rows, within = spans.reaching_back(1)
    assert rows.tolist() == [2, 3, 6, 7, 8, 9]
    assert lists(within) == ([0, 2, 2], [1, 2, 3], [2, 2, 6])
    assert rows[within.wanted()].tolist() == spans.wanted().tolist()
    assert spans.reaching_back(99)[0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert spans.positions(np.array([0, 3, 4, 5, 9])).tolist() == [0, 3, 0, 0, 4]


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_every_entity_is_worked_on_once(monkeypatch: pytest.MonkeyPatch, threads: int | None) -> None:
    monkeypatch.setattr(entities, "PIECE", 8)
    lengths = np.array([3, 30, 1, 1, 1, 9, 5, 2])
    spans = spans_of(pl.Series(np.repeat([f"E{i}" for i in range(8)], lengths)))
    visits = np.zeros(lengths.sum(), dtype=int)
    pieces = []

    def work(starts: Rows, firsts: Rows, stops: Rows) -> None:
        assert (firsts == starts).all()
        visits[starts[0] : stops[-1]] += 1
        pieces.append(len(starts))

    in_parallel(work, spans, threads=threads)
    assert set(visits) == {1}
    assert sorted(pieces) == [1, 1, 2, 4]


def test_threads_bound_how_much_happens_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "PIECE", 1)
    together = threading.Barrier(3, timeout=10)
    in_parallel(lambda *_: together.wait() and None, spans_of(pl.Series(["A", "B", "C"])), threads=3)
    names = set()
    in_parallel(lambda *_: names.add(threading.current_thread().name), spans_of(pl.Series(["A", "B"])), threads=1)
    assert names == {threading.current_thread().name}


def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "PIECE", 1)

    def fail(starts: Rows, *_: Rows) -> None:
        if starts[0] == 1:
            raise ValueError("second entity")

    with pytest.raises(ValueError, match="second entity"):
        in_parallel(fail, spans_of(pl.Series(["A", "B", "C"])), threads=2)


@pytest.mark.parametrize(("seconds", "said"), [(0.2, 1), (0.0, 0)])
def test_compiling_is_announced_if_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: float, said: int
) -> None:
    monkeypatch.setattr(announce, "PATIENCE", 0.05)
    with caplog.at_level(logging.INFO), announced("the test kernels"):
        time.sleep(seconds)
    assert [record.message for record in caplog.records] == [
        "compiling the test kernels, once: some seconds; kept for later runs"
    ] * said
