"""What moved the answers of the models: SHAP values on rows that they had not seen."""

from assay.market.explanation.folds import Explanations, explain_folds
from assay.market.explanation.prediction import Prediction, explain_prediction, find_row, fold_of
from assay.market.explanation.ranking import compare_folds, rank_features
from assay.market.explanation.rule import ExplanationRule
from assay.market.explanation.sample import sample_rows

__all__ = [
    "ExplanationRule",
    "Explanations",
    "Prediction",
    "compare_folds",
    "explain_folds",
    "explain_prediction",
    "find_row",
    "fold_of",
    "rank_features",
    "sample_rows",
]
