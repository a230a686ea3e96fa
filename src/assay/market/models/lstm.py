"""A long short-term memory network: reads the rows before each row, oldest first."""

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from assay.market.errors import DataError
from assay.market.models.base import BOTH_KINDS, Lookback, Matrix, Rows, Sequences
from assay.market.models.torch_rule import NetworkRule, Numbers, Scaling, check_finite
from assay.market.workload import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn


class LSTM(NetworkRule):
    """Parameters of a long short-term memory network (Hochreiter and Schmidhuber, *Neural Computation* 1997).

    Attributes:
        hidden: Cells per layer.
        layers: Layers on top of each other.
        lookback: Rows of a sequence, the row itself included.
        max_gap: Longest time between two rows that follow each other; what lies beyond a longer one is not read.
            None: no limit.
        targets: Rows that one pass over a sequence learns from: its newest ones, each from what lies before it. Their
            history is up to ``targets`` - 1 rows shorter than in a prediction, and an epoch that much cheaper.
        weight_decay: As of all networks, but strong: inputs that say nothing are many, and each is read at every step.
    """

    kind: Literal["lstm"] = "lstm"
    hidden: int = Field(default=64, ge=1, le=1024)
    layers: int = Field(default=2, ge=1, le=8)
    lookback: int = Field(default=50, ge=1, le=1000)
    max_gap: timedelta | None = Field(default=None, gt=timedelta(0))
    targets: int = Field(default=10, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    weight_decay: float = Field(default=10.0, ge=0)
    batch_size: int = Field(default=64, ge=2)

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    chunk: ClassVar[int] = 512

    @model_validator(mode="after")
    def _targets_within(self) -> Self:
        if self.targets > self.lookback:
            raise ValueError(f"targets must be at most lookback, found {self.targets} and {self.lookback}")
        return self

    @property
    def history(self) -> Lookback:
        """How far the model looks back from each row."""
        return Lookback(self.lookback, self.max_gap)

    def network(self, inputs: int, outputs: int) -> "nn.ModuleDict":
        """Layers of cells with dropout after each; a linear head."""
        from torch import nn

        between = self.dropout if self.layers > 1 else 0.0
        cells = nn.LSTM(inputs, self.hidden, self.layers, batch_first=True, dropout=between)
        return nn.ModuleDict(
            {"cells": cells, "dropout": nn.Dropout(self.dropout), "head": nn.Linear(self.hidden, outputs)}
        )

    def respond(self, network: "nn.ModuleDict", x: "Tensor", steps: int) -> "Tensor":
        """Answers at the newest steps, shape (rows, steps, outputs)."""
        states, _ = network["cells"](x)
        out: Tensor = network["head"](network["dropout"](states[:, -steps:]))
        return out

    def check(self, X: Rows) -> None:
        """Refuse what is no sequence of ``lookback`` steps, and missing values in any of its steps.

        Raises:
            DataError: The rows are no such sequences, or hold missing or infinite values.
        """
        rows = _sequences(X)
        if rows.index.shape[1] != self.lookback or (rows.index[:, -1:] < 0).any():
            raise DataError(
                "inputs of an LSTM",
                "are no sequences that end with their row",
                expected=f"{self.lookback} steps, the last one there",
                found=f"{rows.index.shape[1]} steps",
                do="make them with the same lookback",
            )
        reached = np.zeros(len(rows.values) + 1, dtype=bool)
        reached[rows.index] = True  # -1, for no row, marks the one too many
        check_finite(rows.values[reached[:-1]])

    def reader(self, X: Rows, scaling: Scaling) -> "SequenceReader":
        """The sequences, standardised."""
        rows = _sequences(X)
        return SequenceReader(scaling.apply(rows.values), rows.index, targets=self.targets)


class SequenceReader:
    """Rows that are learned together with the rows shortly before them.

    Args:
        values: Standardised inputs of all rows that a sequence reaches, shape (m, p).
        index: Positions in ``values``, as `Sequences` has them; no two rows end at the same one.
        targets: Rows learned from one sequence, at most.
    """

    def __init__(self, values: Matrix, index: npt.NDArray[np.int32], *, targets: int) -> None:
        import torch

        nothing = np.zeros((1, values.shape[1]), dtype=np.float32)  # at -1: the training mean, for steps not there
        self._values = torch.from_numpy(np.concatenate([values, nothing]))
        self._index, self._targets = index, targets

    def gather(self, rows: Numbers) -> "Tensor":
        """Inputs of some rows and of those before them, shape (rows, lookback, p)."""
        import torch

        return self._values[torch.from_numpy(self._index[rows])]

    def lessons(self, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Cut the rows into tiles of ``targets`` positions at a random offset; the newest row of a tile teaches it."""
        tile = (self._index[:, -1] + rng.integers(self._targets)) // self._targets
        order = np.argsort(self._index[:, -1], kind="stable")
        older, newer = order[:-1], order[1:]
        # A row that the next one of its tile looks back on needs no sequence of its own.
        seen = (self._index[newer, -self._targets :] == self._index[older, -1:]).any(axis=1)
        taught = np.zeros(len(order), dtype=bool)
        taught[older] = seen & (tile[older] == tile[newer])
        anchors = np.flatnonzero(~taught)
        return anchors, self._learned(anchors, tile)

    def _learned(self, anchors: Numbers, tile: npt.NDArray[np.int32]) -> Numbers:
        """For each anchor the rows of its tile among its newest steps, -1 where there is none."""
        row_at = np.full(len(self._values), -1, dtype=np.intp)
        row_at[self._index[:, -1]] = np.arange(len(self._index))
        learned = row_at[self._index[anchors, -self._targets :]]
        same = tile[learned] == tile[anchors][:, None]
        return np.where((learned >= 0) & same, learned, np.intp(-1))


def _sequences(X: Rows) -> Sequences:
    if not isinstance(X, Sequences):
        raise DataError("inputs of an LSTM", "are no sequences", expected="the rows before each row", found="a matrix")
    return X
