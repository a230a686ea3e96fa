"""From the out-of-sample predictions of a head to every number the report shows."""

from assay.market.evaluation.evaluate import evaluate, out_of_sample_scores
from assay.market.evaluation.regimes import with_trend
from assay.market.evaluation.rule import DIRECTION, VOLATILITY_ONLY, EvaluationRule

__all__ = ["DIRECTION", "VOLATILITY_ONLY", "EvaluationRule", "evaluate", "out_of_sample_scores", "with_trend"]
