"""Is the skill real? Resampling, effective sample size and tests that know about overlap and co-movement."""

from assay.market.significance.bootstrap import (
    BootstrapRule,
    interval,
    optimal_block,
    resample_sums,
    resample_weights,
)
from assay.market.significance.dependence import effective_rows, mean_correlation, rows_needed
from assay.market.significance.information_coefficient import hac_lag, hac_t, ic_t
from assay.market.significance.sharpe import sharpe_interval

__all__ = [
    "BootstrapRule",
    "effective_rows",
    "hac_lag",
    "hac_t",
    "ic_t",
    "interval",
    "mean_correlation",
    "optimal_block",
    "resample_sums",
    "resample_weights",
    "rows_needed",
    "sharpe_interval",
]
