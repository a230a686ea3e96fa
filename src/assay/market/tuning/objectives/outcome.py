"""What objectives judge: the answers of a model on the rows of an inner fold, and what came out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.market.models import called
from assay.market.models.base import Floats, Target


@dataclass(frozen=True)
class Outcome:
    """Answers and truth, row by row.

    Attributes:
        y: Classes -1/0/1, or returns, shape (n,).
        out: Probabilities of SHORT, NEUTRAL, LONG, shape (n, 3), or predicted returns, shape (n,).
        returns: Forward returns, shape (n,).
        time: Decision times as integers, shape (n,).
    """

    y: Target
    out: Floats
    returns: Floats
    time: npt.NDArray[np.int64]

    @property
    def direction(self) -> Floats:
        """What orders the rows: p(LONG) - p(SHORT), or the predicted return."""
        return self.out[:, 2] - self.out[:, 0] if self.out.ndim == 2 else self.out

    @property
    def side(self) -> npt.NDArray[np.int8]:
        """The position that would be taken: the class that is called, or the sign of the predicted return."""
        return called(self.out) if self.out.ndim == 2 else np.sign(self.out).astype(np.int8)
