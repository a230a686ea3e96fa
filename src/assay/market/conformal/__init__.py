"""Intervals that hold as often as they say, adaptively and from past errors alone."""

from assay.market.conformal.bound import bound
from assay.market.conformal.rule import IntervalRule
from assay.market.conformal.threshold import interval

__all__ = ["IntervalRule", "bound", "interval"]
