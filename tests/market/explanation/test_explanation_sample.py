"""The rows that are explained: as many as asked for, spread over entities and times, seeded."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.explanation import sample_rows


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 50), st.integers(0, 3))
def test_one_row_of_every_stretch_is_drawn(part: list[bool], rows: int, seed: int) -> None:
    mask = np.array(part)
    chosen = sample_rows(mask, rows, seed=(seed, 1))
    there = np.flatnonzero(mask)
    assert not (chosen & ~mask).any()
    assert chosen.sum() == min(rows, len(there))
    places = np.searchsorted(there, np.flatnonzero(chosen))
    if len(there) > rows:
        edges = [number * len(there) // rows for number in range(rows + 1)]
        for place, (start, stop) in zip(places, pairwise(edges), strict=True):
            assert start <= place < stop


def test_every_row_is_as_likely_as_any_other() -> None:
    counts = sum(sample_rows(np.ones(40, dtype=bool), 10, seed=(seed,)).astype(int) for seed in range(4_000))
    assert np.abs(np.asarray(counts) - 1_000).max() < 6 * np.sqrt(4_000 * 0.25 * 0.75)


def test_the_draw_follows_its_seeds() -> None:
    part = np.ones(1_000, dtype=bool)
    draws = [sample_rows(part, 20, seed=seed).tobytes() for seed in ((1, 1), (1, 1), (1, 2), (2, 1))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_the_part_is_left_as_it_was() -> None:
    part = np.ones(30, dtype=bool)
    sample_rows(part, 3, seed=(0,))
    assert part.all()
