"""What all model families share: typed parameters that can be searched, and the protocol of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from types import UnionType
from typing import Annotated, Any, ClassVar, Protocol, Self, Union, get_args, get_origin

import numpy as np
import numpy.typing as npt
from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from assay.market.errors import BundleError
from assay.market.parameters import Parameters
from assay.market.tables import CLASSES
from assay.market.workload import Kind

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Target = npt.NDArray[Any]
Files = Mapping[str, bytes]

BOTH_KINDS: frozenset[Kind] = frozenset({"classification", "regression"})
EVERY_KIND: frozenset[Kind] = BOTH_KINDS | {"binary"}


@dataclass(frozen=True)
class Sequences:
    """Rows together with the rows before them, for models that look back.

    Attributes:
        values: Inputs of all rows that any sequence reaches, shape (m, p).
        index: Position in ``values`` of each step, oldest first, the row itself last; -1 where there is no such row:
            before the first of its entity, or beyond a gap. Shape (n, lookback).
    """

    values: Matrix
    index: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and inputs, as of a matrix."""
        return len(self.index), self.values.shape[1]

    def __getitem__(self, rows: Any) -> "Sequences":  # noqa: ANN401  whatever selects rows of an array
        return Sequences(self.values, self.index[rows])

    @property
    def last(self) -> Matrix:
        """The inputs of the rows themselves, shape (n, p)."""
        return self.values[self.index[:, -1]]


# What a model reads: a Matrix, or Sequences where its family looks back. No model takes both.
Rows = Any


@dataclass(frozen=True)
class Explained:
    """SHAP values of a model's answers (Lundberg and Lee, *NeurIPS* 2017), in the unit in which it adds up.

    Attributes:
        values: What each input adds, shape (n, p); (n, p, 3) for the scores of SHORT, NEUTRAL, LONG.
        base: The answer that is expected without knowing any input; one per class. ``base`` plus the sum of ``values``
            over the inputs is the answer.
    """

    values: Floats
    base: Floats


class Model(Protocol):
    """A model of one family for one kind of head."""

    @property
    def best_iteration(self) -> int | None:
        """Number of boosting rounds that early stopping kept; None for models that do not stop early."""
        ...

    def fit(self, X: Rows, y: Target, tail: tuple[Rows, Target] | None = None, *, weight: Floats | None = None) -> None:
        """Fit on rows in any order.

        Args:
            X: Inputs, shape (n, p), without NaN unless the family declares raw ``inputs``; `Sequences` for a family
                that declares a ``history``.
            y: Classes -1/0/1 (integer), right or wrong 1/0 (binary) or returns (float), shape (n,).
            tail: Newer rows, purged against ``X``, used only to choose the number of boosting rounds; each counts once.
            weight: How much each row of ``X`` counts, >= 0 with mean 1, shape (n,); None = all the same. Baselines
                describe the training part row by row and take no notice.
        """
        ...

    def predict(self, X: Rows) -> Floats:
        """Probabilities of SHORT, NEUTRAL, LONG, shape (n, 3); of 1, shape (n,), for a binary kind; or values (n,)."""
        ...

    def importance(self) -> Floats:
        """Weight of each input, shape (p,), >= 0, in the family's own unit."""
        ...

    def explain(self, X: Rows) -> Explained | None:
        """What each input adds to each answer; None for a model that reads no features."""
        ...

    def dump(self) -> dict[str, bytes]:
        """The fitted model as files in the family's native format."""
        ...


@dataclass(frozen=True)
class Lookback:
    """How far a sequence reaches.

    Attributes:
        steps: Rows of a sequence, the row itself included.
        max_gap: Longest time between two rows that follow each other; a longer one is a gap. None: no limit.
    """

    steps: int
    max_gap: timedelta | None = None


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


class Choice(Parameters):
    """The values that tuning may try for one parameter, when they form no range.

    Attributes:
        options: The values, e.g. the layers of a network: ``[[64, 32], [128, 64, 32]]``.
    """

    options: tuple[Any, ...] = Field(min_length=2)

    @field_validator("options")
    @classmethod
    def _hashable(cls, options: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(_frozen(option) for option in options)


def _form(span: object) -> str:
    return "choice" if isinstance(span, Choice) or (isinstance(span, Mapping) and "options" in span) else "range"


# Told apart by what was written, so that a mistake in the one is not answered with what the other lacks.
Span = Annotated[Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choice")], Discriminator(_form)]


class ModelRule(Parameters):
    """Parameters of one model family: the library's own names, and what tuning may change.

    A family is one file: a subclass of this with ``kind``, ``heads``, ``library``, ``create`` and ``restore``,
    and a class that follows `Model`. It joins the others with one entry in ``ModelParams``.

    Attributes:
        kind: Name of the family, the discriminator of ``ModelParams``.
        search: Ranges, or choices, by parameter name; empty means that the model is not tuned.
    """

    kind: str
    search: dict[str, Span] = Field(default_factory=dict)

    heads: ClassVar[frozenset[Kind]]  # kinds of heads it can predict
    library: ClassVar[str]  # package whose version a bundle records
    install: ClassVar[str] = "make run"  # what installs the library where it is missing
    inputs: ClassVar[tuple[str, ...] | None] = None  # raw columns it reads; None = the preprocessed features

    @property
    def stops_early(self) -> bool:
        """Whether fitting needs a purged tail of newer rows."""
        return False

    @property
    def history(self) -> Lookback | None:
        """How far the model looks back from each row; None when it reads the row alone."""
        return None

    def missing(self) -> str | None:
        """Why the model cannot be fitted here: its library is not installed; None when it is."""
        if find_spec(self.library) is not None:
            return None
        return f"the package {self.library} is not installed; `{self.install}` installs it"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model for a head of ``kind``."""
        raise NotImplementedError

    def restore(self, files: Files, kind: Kind) -> Model:
        """The fitted model that was dumped to ``files``."""
        raise NotImplementedError

    def is_integer(self, name: str) -> bool:
        """Whether the parameter ``name`` takes whole numbers."""
        return int in _types(type(self).model_fields[name].annotation)

    def with_values(self, values: Mapping[str, Any]) -> Self:
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
            if isinstance(span, Choice):
                self._check_choice(name, span)
            else:
                self._check_range(name, span)
        return self

    def _check_range(self, name: str, span: Range) -> None:
        if name not in self.tunable():
            raise ValueError(f"search: {name!r} is no numeric parameter of {self.kind}, choose from {self.tunable()}")
        self._check_values(name, (span.low, span.high))
        value = getattr(self, name)
        if value is None or not span.low <= value <= span.high:
            raise ValueError(
                f"search: {name}={value} lies outside its own range [{span.low}, {span.high}], "
                "and the first trial takes it; move the value or widen the range"
            )

    def _check_choice(self, name: str, choice: Choice) -> None:
        fields = sorted(set(type(self).model_fields) - {"kind", "search", "threads"})
        if name not in fields:
            raise ValueError(f"search: {name!r} is no parameter of {self.kind}, choose from {fields}")
        self._check_values(name, choice.options)
        if (value := _frozen(getattr(self, name))) not in choice.options:
            raise ValueError(
                f"search: {name}={value} is none of its own options {list(choice.options)}, "
                "and the first trial takes it; change the value or add it"
            )

    def _check_values(self, name: str, values: Sequence[Any]) -> None:
        fixed = self.model_dump(exclude={"search"})
        for value in values:
            try:
                type(self).model_validate(fixed | {name: value})
            except ValidationError as error:
                raise ValueError(f"search: {name}={value} is not allowed: {error.errors()[0]['msg']}") from None


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


def _frozen(value: Any) -> Any:  # noqa: ANN401
    """A list as a tuple, so that options can be compared and counted; anything else as it is."""
    return tuple(value) if isinstance(value, list | tuple) else value


def _types(annotation: Any) -> set[Any]:  # noqa: ANN401
    """The plain types of an annotation: ``int | None`` gives int and NoneType."""
    if get_origin(annotation) in (Union, UnionType):
        return set(get_args(annotation))
    return {annotation}
