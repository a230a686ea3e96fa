"""Probabilities that mean what they say: methods, the fold rule, and how it is judged whether they do."""

from assay.market.calibration.brier import brier, decompose
from assay.market.calibration.calibrate import calibrate
from assay.market.calibration.methods import apply, fit, within_range
from assay.market.calibration.reliability import Binned, calibration_error, null_errors, reliability
from assay.market.calibration.rule import CalibrationRule

__all__ = [
    "Binned",
    "CalibrationRule",
    "apply",
    "brier",
    "calibrate",
    "calibration_error",
    "decompose",
    "fit",
    "null_errors",
    "reliability",
    "within_range",
]
