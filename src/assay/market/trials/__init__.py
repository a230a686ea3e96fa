"""The trials of a head: every configuration whose out-of-sample result was computed, and what their number says."""

from assay.market.trials.deflation import deflate
from assay.market.trials.records import NAIVE, configurations, outer_trials

__all__ = ["NAIVE", "configurations", "deflate", "outer_trials"]
