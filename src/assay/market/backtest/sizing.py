"""How large a position a call takes.

A sizing reads what the prediction of a row says, and nothing else of that row: the class or the return predicted, its
probabilities, and the deviation expected for the outcome. What it learns from outcomes comes from earlier folds alone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from assay.market.backtest.performance import bars_per_year
from assay.market.backtest.tape import Floats
from assay.market.parameters import Parameters
from assay.market.tables import PROBABILITIES
from assay.market.workload import Kind

Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Setting:
    """What a sizing knows besides the predictions.

    Attributes:
        kind: Kind of the head.
        horizon: Bars that a position is held.
        past: Times of the bars before the first decision, from which bars are counted per year.
    """

    kind: Kind
    horizon: int
    past: pl.Series

    @property
    def periods_per_year(self) -> float:
        """Holding periods in a year.

        Raises:
            DataError: Fewer than two timestamps lie before the first decision.
        """
        return bars_per_year(self.past) / self.horizon

    def edge(self) -> pl.Expr:
        """Predicted outcome: P(LONG) - P(SHORT) of a class, the return itself of a return."""
        return pl.col("p_long") - pl.col("p_short") if self.kind == "classification" else pl.col("y_pred")


class Fixed(Parameters):
    """Every call takes the same share of its entity's capital.

    Attributes:
        size: Share taken; 1 is the whole share of the entity.
    """

    kind: Literal["fixed"] = "fixed"
    size: Size = 1.0

    @property
    def said(self) -> str:
        """The rule in a sentence."""
        return f"Every call takes {self.size:g} of the capital of its entity."

    def weights(self, calls: pl.DataFrame, setting: Setting) -> pl.Series:  # noqa: ARG002
        """Weights of shape (rows,), see ``policy.weights``."""
        return calls["side"] * self.size


class Threshold(Parameters):
    """Only calls that are sure enough are traded, all with the same share.

    Attributes:
        probability: Classification: least probability of the class that is called.
        deviations: Regression: least size of the predicted return, in deviations expected for the outcome (``scale``).
        size: Share of the entity's capital taken.
    """

    kind: Literal["threshold"]
    probability: float = Field(default=0.5, ge=0, le=1)
    deviations: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    size: Size = 1.0

    @property
    def said(self) -> str:
        """The rule in a sentence."""
        return (
            f"A class is traded when its probability is {self.probability:g} or more, a return when it is "
            f"{self.deviations:g} or more of its expected deviation; such a call takes {self.size:g} of the capital of "
            "its entity."
        )

    def weights(self, calls: pl.DataFrame, setting: Setting) -> pl.Series:
        """Weights of shape (rows,), see ``policy.weights``; 0 where the deviation is not known."""
        if setting.kind == "classification":
            short, neutral, long = (pl.col(name) for name in PROBABILITIES)
            called = pl.when(pl.col("side") > 0).then(long).when(pl.col("side") < 0).then(short).otherwise(neutral)
            sure = called >= self.probability
        else:
            sure = setting.edge().abs() >= self.deviations * pl.col("scale")
        return calls.select(pl.col("side") * sure.fill_null(value=False) * self.size).to_series()


class VolatilityTarget(Parameters):
    """A call takes the share at which its entity is expected to move as much as wanted (Moreira and Muir 2017).

    Attributes:
        target: Annual volatility wanted of the entity's capital.
        cap: Largest share; calm markets would ask for more than there is.
    """

    kind: Literal["volatility_target"]
    target: Size = 0.2
    cap: Size = 1.0

    @property
    def said(self) -> str:
        """The rule in a sentence."""
        return (
            f"A call takes the share that is expected to move by {self.target:.0%} a year, at most {self.cap:g} of the "
            "capital of its entity."
        )

    def weights(self, calls: pl.DataFrame, setting: Setting) -> pl.Series:
        """Weights of shape (rows,): side * min(cap, target / (scale * sqrt(periods per year))).

        ``scale`` is the deviation over one holding period. 0 where it is not known.
        """
        wanted = self.target / setting.periods_per_year**0.5
        share = (wanted / pl.col("scale")).clip(upper_bound=self.cap)
        return calls.select(_known(pl.col("side") * share)).to_series()


class Kelly(Parameters):
    """A call takes a fraction of the share that makes wealth grow fastest, edge / variance (Kelly 1956; Thorp 2006).

    Attributes:
        fraction: Share of the full Kelly bet; estimated edges are too bold, and half of it is customary.
        cap: Largest share of the entity's capital.
        payoff: Outcome of a right call in expected deviations, until an earlier fold has told it. Classification only.
    """

    kind: Literal["kelly"]
    fraction: float = Field(default=0.25, gt=0, le=1)
    cap: Size = 1.0
    payoff: Size = 1.0

    @property
    def said(self) -> str:
        """The rule in a sentence."""
        return (
            f"A call takes {self.fraction:g} of the Kelly bet (edge over variance), at most {self.cap:g} of the "
            "capital of its entity; what a right class pays is what it paid in earlier folds."
        )

    def weights(self, calls: pl.DataFrame, setting: Setting) -> pl.Series:
        """Weights of shape (rows,): fraction * edge / variance within the cap; 0 where ``scale`` is not known.

        The variance is ``scale ** 2``. The edge of a return is the return; that of a class is
        (P(LONG) - P(SHORT)) * payoff * scale. A row that is not called (NEUTRAL) takes no position.
        """
        edge = setting.edge()
        if setting.kind == "classification":
            edge = edge * pl.Series("payoff", known_payoff(calls, self.payoff)) * pl.col("scale")
        share = (self.fraction * edge / pl.col("scale") ** 2).clip(-self.cap, self.cap)
        return calls.select(_known(pl.col("side").abs() * share)).to_series()


class RankLongShort(Parameters):
    """At each time the entities with the highest predictions are held long, as many with the lowest short.

    Attributes:
        share: Share of the entities on each side, rounded down to whole entities, at least one.
        min_entities: A time with fewer predictions takes no position.
        size: Share of the capital of each entity taken.
    """

    kind: Literal["rank_long_short"]
    share: float = Field(default=0.2, gt=0, le=0.5)
    min_entities: int = Field(default=5, ge=2)
    size: Size = 1.0

    @property
    def said(self) -> str:
        """The rule in a sentence."""
        return (
            f"At each time with {self.min_entities} entities or more the {self.share:.0%} with the highest predictions "
            f"are held long and as many with the lowest short, each with {self.size:g} of its capital: long and short "
            "are equal in size when they are decided."
        )

    def weights(self, calls: pl.DataFrame, setting: Setting) -> pl.Series:
        """Weights of shape (rows,) that sum to 0 at each time.

        Entities with equal predictions share what their places would get, so equal predictions take no position. A row
        whose prediction is below ``min_edge_bp`` keeps its place: the ranks decide, not the calls.
        """
        place = pl.col("edge").rank("ordinal").over("time")
        count = pl.len().over("time")
        each = pl.max_horizontal((count * self.share + 1e-9).floor(), pl.lit(1.0))
        side = (place > count - each).cast(pl.Float64) - (place <= each).cast(pl.Float64)
        rows = calls.select("time", edge=setting.edge()).with_columns(side=side, enough=count >= self.min_entities)
        shared = pl.col("side").mean().over("time", "edge") * self.size
        return rows.select(pl.when("enough").then(shared).otherwise(0.0)).to_series()


Sizing = Annotated[Fixed | Threshold | VolatilityTarget | Kelly | RankLongShort, Field(discriminator="kind")]


def known_payoff(predictions: pl.DataFrame, otherwise: float) -> Floats:
    """What a right call has paid so far, in expected deviations, as it was known when each fold began.

    Args:
        predictions: Predictions of one model: ``fold, time, label_end, y_true, forward_return, scale``.
        otherwise: Used in a fold before which no outcome was known.

    Returns:
        Shape (rows,): mean of ``|forward_return| / scale`` over earlier rows that went up or down (``y_true`` is not 0)
        and whose label had ended before the first time of the row's fold.
    """
    moved = predictions.filter((pl.col("y_true") != 0) & pl.col("label_end").is_not_null() & (pl.col("scale") > 0))
    paid = moved.select("label_end", paid=pl.col("forward_return").abs() / pl.col("scale")).sort("label_end")
    ends, totals = paid["label_end"], paid["paid"].cum_sum()
    begins = predictions.group_by("fold").agg(pl.col("time").min()).sort("fold")
    counts = ends.search_sorted(begins["time"], side="left")
    payoffs = [totals[n - 1] / n if n else otherwise for n in counts.to_list()]
    return predictions["fold"].replace_strict(begins["fold"], payoffs, return_dtype=pl.Float64).to_numpy()


def _known(share: pl.Expr) -> pl.Expr:
    """0 where no deviation is expected or known: without it there is no measure of risk."""
    return pl.when(pl.col("scale") > 0).then(share).otherwise(0.0)
