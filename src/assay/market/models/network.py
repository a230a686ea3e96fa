"""A multilayer perceptron: layers of neurons that each see the whole row."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.errors import DataError
from assay.market.models.base import EVERY_KIND, Matrix, Rows, Sequences
from assay.market.models.torch_rule import NetworkRule, Numbers, Scaling, check_finite
from assay.market.workload import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

Width = Annotated[int, Field(ge=1, le=4096)]


class MLP(NetworkRule):
    """Parameters of a multilayer perceptron.

    Attributes:
        layers: Neurons of each hidden layer.
        batch_norm: Whether each layer is normalised over the batch (Ioffe and Szegedy, *ICML* 2015).
    """

    kind: Literal["mlp"] = "mlp"
    layers: tuple[Width, ...] = Field(default=(128, 64, 32), min_length=1, max_length=8)
    batch_norm: bool = True

    heads: ClassVar[frozenset[Kind]] = EVERY_KIND
    chunk: ClassVar[int] = 8192

    def network(self, inputs: int, outputs: int) -> "nn.ModuleDict":
        """Hidden layers of linear map, normalisation, SiLU and dropout; a linear head."""
        from torch import nn

        hidden: list[nn.Module] = []
        for width in self.layers:
            hidden.append(nn.Linear(inputs, width))
            hidden += [nn.BatchNorm1d(width)] if self.batch_norm else []
            hidden += [nn.SiLU(), nn.Dropout(self.dropout)]
            inputs = width
        return nn.ModuleDict({"hidden": nn.Sequential(*hidden), "head": nn.Linear(inputs, outputs)})

    def respond(self, network: "nn.ModuleDict", x: "Tensor", steps: int) -> "Tensor":  # noqa: ARG002
        """Answers of each row, shape (rows, 1, outputs)."""
        out: Tensor = network["head"](network["hidden"](x))
        return out[:, None]

    def check(self, X: Rows) -> None:
        """Refuse sequences, and missing values.

        Raises:
            DataError: The rows are sequences, or hold missing or infinite values.
        """
        check_finite(_matrix(X))

    def reader(self, X: Rows, scaling: Scaling) -> "RowReader":
        """The rows, standardised."""
        return RowReader(scaling.apply(_matrix(X)))


class RowReader:
    """Rows that are learned one by one.

    Args:
        values: Standardised inputs, shape (n, p).
    """

    def __init__(self, values: Matrix) -> None:
        import torch

        self._values = torch.from_numpy(values)

    def gather(self, rows: Numbers) -> "Tensor":
        """Inputs of some rows, shape (rows, p)."""
        import torch

        return self._values[torch.from_numpy(rows)]

    def lessons(self, rng: np.random.Generator) -> tuple[Numbers, Numbers]:  # noqa: ARG002
        """Each row teaches itself."""
        rows = np.arange(len(self._values), dtype=np.intp)
        return rows, rows[:, None]


def _matrix(X: Rows) -> Matrix:
    if isinstance(X, Sequences):
        raise DataError("inputs of a perceptron", "are sequences", expected="a matrix", found=f"{X.shape} sequences")
    rows: Matrix = X
    return rows
