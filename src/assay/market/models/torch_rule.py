"""What the networks share: the schedule of their training, and what a family says of itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from assay.market.errors import DataError
from assay.market.models.base import Files, Floats, Matrix, Model, ModelRule, Rows
from assay.market.workload import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

Numbers = npt.NDArray[np.intp]


class Reader(Protocol):
    """Rows as a network reads them."""

    def gather(self, rows: Numbers) -> "Tensor":
        """Inputs of some rows, shape (rows, inputs) or (rows, lookback, inputs)."""
        ...

    def lessons(self, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """What one epoch learns.

        Returns:
            The rows to gather, shape (a,), and the rows that are learned from the pass of each, newest last and -1 for
            none, shape (a, k). Each row is learned once.
        """
        ...


@dataclass(frozen=True)
class Scaling:
    """Brings inputs to mean 0 and standard deviation 1; 0 stands for what is not known of a row.

    Attributes:
        means: Means of the training rows.
        scales: Their standard deviations, 1 for a constant input.
        clip: Standard deviations beyond which an input is cut.
    """

    means: Floats
    scales: Floats
    clip: float

    @classmethod
    def of(cls, inputs: Matrix, clip: float) -> Self:
        """The scaling of training rows."""
        scales = inputs.std(axis=0, dtype=np.float64)
        return cls(inputs.mean(axis=0, dtype=np.float64), np.where(scales > 0, scales, 1.0), clip)

    def apply(self, values: Matrix) -> Matrix:
        """Standardised values, same shape."""
        with np.errstate(over="ignore"):  # what overflows is cut
            scaled = np.subtract(values, self.means.astype(np.float32), dtype=np.float32)
            scaled /= self.scales.astype(np.float32)
        return np.clip(scaled, -self.clip, self.clip, out=scaled)


class NetworkRule(ModelRule):
    """Parameters of the training that the networks share.

    Adam with decoupled weight decay (Loshchilov and Hutter, *ICLR* 2019); the rate falls when the score stands still,
    and training ends when it goes on doing so. The score is the loss on the purged tail. Without early stopping there
    is no tail: training takes all ``max_epochs``, and the rate follows the training loss.

    Attributes:
        dropout: Share of the activations set to zero in training.
        learning_rate: Rate at the start.
        lr_patience: Epochs without a better score that the rate survives.
        lr_factor: What the rate is multiplied by when it falls.
        weight_decay: Share of the weight matrices, times the rate, that each step takes away; biases are left alone.
        batch_size: Rows, or sequences, per step.
        max_epochs: Most passes over the training rows.
        patience: Epochs without a better score that end the training; the best epoch is kept. None = never.
        clip: Inputs are cut at this many standard deviations: a network is arbitrary where it has seen nothing.
        threads: CPU threads of a fit, 0 = all cores. Batches this small gain nothing from a second thread and lose much
            where it shares its core; the last bits of a fitted network may depend on the number.
    """

    dropout: float = Field(default=0.3, ge=0, lt=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    lr_patience: int = Field(default=5, ge=0)
    lr_factor: float = Field(default=0.5, gt=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    batch_size: int = Field(default=256, ge=2)
    max_epochs: int = Field(default=100, ge=1, le=10_000)
    patience: int | None = Field(default=20, ge=1)
    clip: float = Field(default=8.0, gt=0)
    threads: int = Field(default=1, ge=0)

    library: ClassVar[str] = "torch"
    install: ClassVar[str] = "make torch"
    chunk: ClassVar[int]  # rows per pass where nothing is learned

    @model_validator(mode="after")
    def _decays(self) -> Self:
        if self.learning_rate * self.weight_decay >= 1:
            found = f"{self.learning_rate} and {self.weight_decay}"
            raise ValueError(f"learning_rate times weight_decay must be below 1, or no weight is left, found {found}")
        return self

    @property
    def stops_early(self) -> bool:
        """Whether a purged tail chooses the epoch."""
        return self.patience is not None

    def network(self, inputs: int, outputs: int) -> "nn.ModuleDict":
        """An untrained network; the linear layer ``head`` gives the answers."""
        raise NotImplementedError

    def respond(self, network: "nn.ModuleDict", x: "Tensor", steps: int) -> "Tensor":
        """Answers at the newest ``steps`` of each row, oldest first, shape (rows, steps, outputs)."""
        raise NotImplementedError

    def check(self, X: Rows) -> None:
        """Refuse rows that the network cannot read.

        Raises:
            DataError: They are not of the form that the family reads, or hold missing or infinite values.
        """
        raise NotImplementedError

    def reader(self, X: Rows, scaling: Scaling) -> Reader:
        """The rows, standardised, as the network reads them."""
        raise NotImplementedError

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted network."""
        from assay.market.models.torch_model import NetworkModel

        return NetworkModel(self, kind, seed=seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The network in ``model.npz``."""
        from assay.market.models.torch_model import restored

        return restored(self, kind, files)


def check_finite(values: Matrix) -> None:
    """Refuse missing and infinite inputs.

    Raises:
        DataError: There is one.
    """
    wrong = int((~np.isfinite(values)).any(axis=1).sum())
    if wrong:
        raise DataError(
            "inputs of a network",
            "are missing or infinite",
            expected="finite values",
            found=f"{wrong} of {len(values)} rows without",
            do="fill them before",
        )
