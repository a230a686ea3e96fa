"""When a prediction becomes a position, and how large it is."""

from collections.abc import Iterator
from itertools import product
from typing import Literal, Self

import polars as pl
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from assay.market.backtest.sizing import Fixed, RankLongShort, Setting, Sizing
from assay.market.costs import BP
from assay.market.errors import ConfigurationError, DataError
from assay.market.parameters import Parameters

Objective = Literal["sharpe", "net_return"]
_SIZING: TypeAdapter[Sizing] = TypeAdapter(Sizing)


class Search(Parameters):
    """Which values of the sizing are tried, in every fold on the books of the folds before it.

    Attributes:
        grid: Values to try, by name of a field of the sizing; every combination is a candidate.
        objective: What the candidate to follow has most of: ``sharpe`` (mean over deviation of the net returns per bar,
            0 for a book that never moved) or ``net_return`` (their sum).
    """

    grid: dict[str, tuple[float, ...]] = Field(min_length=1)
    objective: Objective = "sharpe"

    def combinations(self) -> Iterator[dict[str, float]]:
        """Every combination of values, the last field changing fastest."""
        return (dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values()))


class Policy(Parameters):
    """When a prediction becomes a position, and how large it is.

    Attributes:
        min_edge_bp: Regression only: a predicted return calls a side when it exceeds this many basis points in size.
            Not read by ``rank_long_short``, which ranks all predictions.
        sizing: Share of the capital that a call takes.
        optimise: Values of the sizing chosen anew in every fold, on the books of earlier folds; None = as given.
    """

    min_edge_bp: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    sizing: Sizing = Fixed()
    optimise: Search | None = None

    @model_validator(mode="after")
    def _candidates_are_sizings(self) -> Self:
        """A grid with an unknown field or a value out of range fails before the first node runs."""
        try:
            self.candidates()
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "kind"
            raise ValueError(f"optimise.grid: {name}: {first['msg']}; a value was {first['input']!r}") from error
        return self

    def candidates(self) -> list[Sizing]:
        """The sizing as given, then every other one that the grid describes."""
        found: list[Sizing] = [self.sizing]
        for values in self.optimise.combinations() if self.optimise else ():
            sizing = _SIZING.validate_python(self.sizing.model_dump() | values)
            if sizing not in found:
                found.append(sizing)
        return found


def require_entities(policy: Policy, entities: int) -> None:
    """Refuse ranks that so few entities can never fill: the book would be flat, without a word.

    Args:
        policy: How positions are sized.
        entities: Number of entities with predictions.

    Raises:
        ConfigurationError: No candidate of the policy would ever take a position.
    """
    ranks = [sizing for sizing in policy.candidates() if isinstance(sizing, RankLongShort)]
    fewest = min((sizing.min_entities for sizing in ranks), default=0)
    if entities < fewest:
        raise ConfigurationError(
            "backtest.policy.sizing, rank_long_short",
            "there are too few entities to rank, so no position would ever be taken",
            expected=f"at least min_entities = {fewest}",
            found=f"{entities} entities",
            do="lower min_entities, load more entities, or size positions in another way",
        )


def weights(predictions: pl.DataFrame, policy: Policy, sizing: Sizing, setting: Setting) -> pl.Series:
    """Turn the predictions of one model into positions.

    Args:
        predictions: Predictions of one model with ``y_pred``, a class (-1, 0, 1) or a forward return; for sizings that
            read them also ``scale``, probabilities, outcomes and fold.
        policy: When a prediction is a call.
        sizing: What a call takes.
        setting: Kind of the head, horizon, and the times before.

    Returns:
        Float64 series ``weight`` of shape (rows,): signed share of the entity's capital.

    Raises:
        DataError: A prediction is null or not finite.
    """
    predicted = predictions["y_pred"].cast(pl.Float64)
    if bad := len(predicted) - int(predicted.is_finite().sum()):
        raise DataError(
            "predictions", "not all are numbers", expected="finite y_pred", found=f"{bad} null or not finite"
        )
    edge = policy.min_edge_bp * BP if setting.kind == "regression" else 0.0
    side = predicted.sign() * (predicted.abs() > edge)
    calls = predictions.with_columns(side=side)
    return sizing.weights(calls, setting).cast(pl.Float64).alias("weight")
