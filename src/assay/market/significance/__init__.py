"""Is the skill real? Resampling, effective sample size and tests that know about overlap and co-movement."""

from assay.market.significance.bootstrap import (
    BootstrapRule,
    block_variance,
    interval,
    optimal_block,
    resample_sums,
    resample_weights,
    small_sample_stretch,
    stretched_interval,
)
from assay.market.significance.deflated import (
    cluster_trials,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    minimum_backtest_length,
)
from assay.market.significance.dependence import (
    effective_blocks,
    effective_rows,
    episodes,
    mean_correlation,
    rows_needed,
)
from assay.market.significance.information_coefficient import hac_lag, hac_t, ic_t
from assay.market.significance.overfitting import Overfitting, probability_of_backtest_overfitting
from assay.market.significance.sharpe import (
    Convention,
    Track,
    annualisation_factor,
    annualised_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_interval,
    sharpe_variance,
    track_record,
)

__all__ = [
    "BootstrapRule",
    "Convention",
    "Overfitting",
    "Track",
    "annualisation_factor",
    "annualised_sharpe",
    "block_variance",
    "cluster_trials",
    "deflated_sharpe_ratio",
    "effective_blocks",
    "effective_rows",
    "episodes",
    "expected_maximum_sharpe",
    "hac_lag",
    "hac_t",
    "ic_t",
    "interval",
    "mean_correlation",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "optimal_block",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "resample_sums",
    "resample_weights",
    "rows_needed",
    "sharpe_interval",
    "sharpe_variance",
    "small_sample_stretch",
    "stretched_interval",
    "track_record",
]
