"""What all model families share: typed parameters that can be searched, and the protocol of a model."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, ClassVar, Protocol, Self, Union, get_args, get_origin

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from assay.market.errors import BundleError
from assay.market.parameters import Parameters
from assay.market.tables import CLASSES
from assay.market.workload import Kind

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Target = npt.NDArray[Any]
Files = Mapping[str, bytes]

BOTH_KINDS: frozenset[Kind] = frozenset({"classification", "regression"})


class Model(Protocol):
    """A model of one family for one kind of head."""

    @property
    def best_iteration(self) -> int | None:
        """Number of boosting rounds that early stopping kept; None for models that do not stop early."""
        ...

    def fit(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None, *, weight: Floats | None = None
    ) -> None:
        """Fit on rows in any order.

        Args:
            X: Inputs, shape (n, p), without NaN unless the family declares raw ``inputs``.
            y: Classes -1/0/1 (integer) or returns (float), shape (n,).
            tail: Newer rows, purged against ``X``, used only to choose the number of boosting rounds; each counts once.
            weight: How much each row of ``X`` counts, >= 0 with mean 1, shape (n,); None = all the same. Baselines
                describe the training part row by row and take no notice.
        """
        ...

    def predict(self, X: Matrix) -> Floats:
        """Probabilities of SHORT, NEUTRAL, LONG, shape (n, 3), or values, shape (n,)."""
        ...

    def importance(self) -> Floats:
        """Weight of each input, shape (p,), >= 0, in the family's own unit."""
        ...

    def dump(self) -> dict[str, bytes]:
        """The fitted model as files in the family's native format."""
        ...


class Range(Parameters):
    """The values that tuning may try for one parameter.

    Attributes:
        low: Smallest value, included.
        high: Largest value, included.
        log: Search on a logarithmic scale; needs ``low`` > 0.
    """

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be smaller than high, found low={self.low} and high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, found low={self.low}")
        return self


class ModelRule(Parameters):
    """Parameters of one model family: the library's own names, and what tuning may change.

    A family is one file: a subclass of this with ``kind``, ``heads``, ``library``, ``create`` and ``restore``,
    and a class that follows `Model`. It joins the others with one entry in ``ModelParams``.

    Attributes:
        kind: Name of the family, the discriminator of ``ModelParams``.
        search: Ranges by parameter name; empty means that the model is not tuned.
    """

    kind: str
    search: dict[str, Range] = Field(default_factory=dict)

    heads: ClassVar[frozenset[Kind]]  # kinds of heads it can predict
    library: ClassVar[str]  # package whose version a bundle records
    inputs: ClassVar[tuple[str, ...] | None] = None  # raw columns it reads; None = the preprocessed features

    @property
    def stops_early(self) -> bool:
        """Whether fitting needs a purged tail of newer rows."""
        return False

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model for a head of ``kind``."""
        raise NotImplementedError

    def restore(self, files: Files, kind: Kind) -> Model:
        """The fitted model that was dumped to ``files``."""
        raise NotImplementedError

    def is_integer(self, name: str) -> bool:
        """Whether the parameter ``name`` takes whole numbers."""
        return int in _types(type(self).model_fields[name].annotation)

    def with_values(self, values: Mapping[str, float]) -> Self:
        """The same parameters with some replaced, validated; whole numbers stay ``int``."""
        return type(self).model_validate({**self.model_dump(), **values})

    @classmethod
    def tunable(cls) -> list[str]:
        """Names of the numeric parameters; the number of threads changes speed, not the model."""
        fields = cls.model_fields.items()
        return [name for name, field in fields if name != "threads" and _types(field.annotation) & {int, float}]

    @model_validator(mode="after")
    def _searchable(self) -> Self:
        for name, span in self.search.items():
            if name not in self.tunable():
                raise ValueError(
                    f"search: {name!r} is no numeric parameter of {self.kind}, choose from {self.tunable()}"
                )
            self._check_ends(name, span)
            value = getattr(self, name)
            if value is None or not span.low <= value <= span.high:
                raise ValueError(
                    f"search: {name}={value} lies outside its own range [{span.low}, {span.high}], "
                    "and the first trial takes it; move the value or widen the range"
                )
        return self

    def _check_ends(self, name: str, span: Range) -> None:
        fixed = self.model_dump(exclude={"search"})
        for end in (span.low, span.high):
            try:
                type(self).model_validate(fixed | {name: end})
            except ValidationError as error:
                raise ValueError(f"search: {name}={end} is not allowed: {error.errors()[0]['msg']}") from None


def called(probabilities: Floats) -> npt.NDArray[np.int8]:
    """The class that is called for each row: SHORT or LONG where it is the single most probable one, else NEUTRAL.

    Args:
        probabilities: Columns p_short, p_neutral, p_long, shape (n, 3).
    """
    short, neutral, long = probabilities.T
    is_long = long > np.maximum(short, neutral)
    is_short = short > np.maximum(long, neutral)
    return np.asarray(is_long, dtype=np.int8) - np.asarray(is_short, dtype=np.int8)


def class_codes(y: Target) -> npt.NDArray[np.int32]:
    """Classes -1/0/1 as the codes 0/1/2 that libraries expect: the position in the probability columns."""
    return np.asarray(y, dtype=np.int32) - CLASSES[0]


def spread(probabilities: npt.NDArray[Any], classes: npt.NDArray[Any]) -> Floats:
    """Probabilities of the classes seen in training, put into all three columns; zero for a class never seen.

    Args:
        probabilities: Shape (n, number of seen classes).
        classes: Seen classes -1/0/1 in the order of the columns.
    """
    full = np.zeros((len(probabilities), len(CLASSES)))
    full[:, class_codes(classes)] = probabilities
    return full


def member(files: Files, name: str) -> bytes:
    """One file of a bundle.

    Raises:
        BundleError: The bundle has no such file.
    """
    if name not in files:
        raise BundleError("model bundle", "a file is missing", expected=name, found=sorted(files), do="train again")
    return files[name]


def _types(annotation: Any) -> set[Any]:  # noqa: ANN401
    """The plain types of an annotation: ``int | None`` gives int and NoneType."""
    if get_origin(annotation) in (Union, UnionType):
        return set(get_args(annotation))
    return {annotation}
