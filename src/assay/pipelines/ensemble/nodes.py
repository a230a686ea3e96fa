"""Nodes of the stage ``ensemble``."""

from typing import Any

import polars as pl

from assay.market import calibration, conformal, ensembles
from assay.market.calibration import CalibrationRule
from assay.market.conformal import IntervalRule
from assay.market.ensembles import EnsembleRules
from assay.market.plan import Plan

Document = dict[str, Any]
Files = dict[str, bytes]


def combine(
    raw_oos: pl.DataFrame, model_input: pl.DataFrame, plan: Document, left_out: dict[str, str], rules: EnsembleRules
) -> tuple[pl.DataFrame, Document, Files]:
    """Predictions of all models and ensembles, how these were made, and the second stages that were fitted."""
    fixed = Plan.model_validate(plan)
    made = ensembles.combine(raw_oos, model_input, plan=fixed, rules=rules, left_out=left_out)
    return made.oos, made.document, made.files


def calibrate(combined: pl.DataFrame, made: Document, params: CalibrationRule) -> tuple[pl.DataFrame, Document]:
    """The same predictions with calibrated probabilities, and how good they were before and after."""
    return calibration.calibrate(combined, params, decided=ensembles.second_stages(made))


def bound(combined: pl.DataFrame, plan: Document, params: IntervalRule) -> tuple[pl.DataFrame, Document]:
    """The same predictions with an interval around each return, and how often it held."""
    return conformal.bound(combined, params, horizon=Plan.model_validate(plan).horizon)
