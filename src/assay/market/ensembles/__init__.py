"""Ensembles: what is made of the models' out-of-sample answers, by the fold rule. One file per part."""

from assay.market.ensembles.combine import Combined, combine, second_stages
from assay.market.ensembles.rules import EnsembleRules, Mean, Meta, SoftVoting, Stacking, check_names

__all__ = [
    "Combined",
    "EnsembleRules",
    "Mean",
    "Meta",
    "SoftVoting",
    "Stacking",
    "check_names",
    "combine",
    "second_stages",
]
