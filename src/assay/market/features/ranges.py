"""What several families measure a bar by: how far it reached, also from the close before it."""

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW

TRUE_HIGH = pl.when(CLOSE.shift(1) > HIGH).then(CLOSE.shift(1)).otherwise(HIGH)
TRUE_LOW = pl.when(CLOSE.shift(1) < LOW).then(CLOSE.shift(1)).otherwise(LOW)
TRUE_RANGE = pl.when(CLOSE.shift(1).is_not_null()).then(TRUE_HIGH - TRUE_LOW)  # Wilder 1978; none for a first bar
