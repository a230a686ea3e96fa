"""How probabilities are calibrated, and when a calibrator is believed."""

from typing import Literal

from pydantic import Field

from assay.market.significance import BootstrapRule

Method = Literal["none", "sigmoid", "isotonic", "temperature", "dirichlet"]

# Effective rows below which a fit is mostly noise: isotonic draws a step function, the others 1, 6 and 12 numbers.
FEWEST: dict[Method, int] = {"none": 0, "temperature": 20, "sigmoid": 50, "dirichlet": 100, "isotonic": 1000}


class CalibrationRule(BootstrapRule):
    """How probabilities are calibrated; resampling as in `BootstrapRule`.

    Attributes:
        method: ``none``; ``temperature`` (one number: sharper or flatter); ``sigmoid`` (two numbers per class);
            ``dirichlet`` (twelve numbers); ``isotonic`` (any rising step function per class).
        min_rows: Effective rows that a fit needs: rows that overlap in time or move together count for less. None: 20
            for ``temperature``, 50 for ``sigmoid``, 100 for ``dirichlet``, 1000 for ``isotonic``.
        margin: A calibrator is accepted when it lowers the Brier score of the next fold by more than this share of it.
            0: by anything. The best that direction can gain at an IC of 0.1 is 0.006.
        l2: Pull of the off-diagonal weights and intercepts of ``dirichlet`` to zero; the others take no notice.
        replications: Resamples of the reliability intervals, and simulated outcomes of the null of the ECE.
    """

    method: Method = "sigmoid"
    min_rows: int | None = Field(default=None, ge=1)
    margin: float = Field(default=0.0, ge=0, lt=1)
    l2: float = Field(default=0.1, ge=0)
    replications: int = Field(default=200, ge=50)

    @property
    def fewest(self) -> int:
        """Effective rows that a fit needs."""
        return FEWEST[self.method] if self.min_rows is None else self.min_rows
