"""The kinds of labels: one file each, joined in one discriminated union."""

from typing import Annotated

from pydantic import ConfigDict, Field, RootModel

from assay.market.labels.fixed_horizon import FixedHorizon
from assay.market.labels.forecast import Forecast
from assay.market.labels.trend_scanning import TrendScanning
from assay.market.labels.triple_barrier import TripleBarrier


class LabelRule(
    RootModel[Annotated[FixedHorizon | TripleBarrier | TrendScanning | Forecast, Field(discriminator="kind")]]
):
    """How a decision becomes SHORT, NEUTRAL or LONG; ``kind`` says of which kind. The parameters are ``.root``."""

    model_config = ConfigDict(frozen=True)
