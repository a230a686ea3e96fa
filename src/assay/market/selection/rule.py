"""What selection may do, and for which kind of fit it does it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from assay.market.parameters import Parameters
from assay.market.weights import WeightRule
from assay.market.workload import Kind

Method = Literal["univariate", "mutual_information", "f_test", "recursive", "tree", "shap", "permutation"]
UNWEIGHTED = WeightRule()


def _some_once(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    if not methods or len(set(methods)) < len(methods):
        raise ValueError(f"name at least one method, and each once; found {list(methods)}")
    return methods


class SelectionRule(Parameters):
    """How features are chosen inside a training part.

    The default methods ask two different questions at little cost: does the feature order outcomes by itself
    (``univariate``), and do trees use it beside the others, on rows they were not fitted on (``shap``)? Where 20 of
    160 autocorrelated features were planted with a correlation of 0.03 each (12,000 rows, five draws of four markets),
    the 50 best of this pair held 56 to 79 % of them; luck would hold 31 %. ``univariate`` alone held up to 6 % more,
    but is blind to features that only act together. ``permutation`` in place of ``shap`` held 3 to 15 % fewer: it alone
    asks whether the use of a feature pays on newer rows, yet with signals this weak its answer is mostly noise, and it
    costs the most. ``tree`` mostly repeats ``shap``; ``f_test`` sees what ``univariate`` sees, ruled by outliers.

    Attributes:
        min_coverage: A feature needs finite values in at least this share of the rows.
        max_correlation: Of two features with a larger absolute correlation the one with the lower univariate score
            is dropped, the later column if these are equal.
        methods: How the features that are left are ranked; each ranking counts the same.
        features: At most so many features are kept, those with the best mean rank.
        rows: Most rows that correlations, scores and probe are computed on, spread evenly over the training part.
            Mutual information takes at most 4,000 of them: its cost per row is a hundred times that of a rank; SHAP
            values are computed of at most 1,000.
        newer: Share of the newest timestamps that the probe is not fitted on; ``shap`` and ``permutation`` read it.
        rounds: Boosting rounds of the probe, the small LightGBM behind the last four methods.
        drop: Share of the features that each step of ``recursive`` leaves out.
    """

    min_coverage: float = Field(default=0.5, gt=0, le=1)
    max_correlation: float = Field(default=0.95, gt=0, le=1)
    methods: Annotated[tuple[Method, ...], AfterValidator(_some_once)] = ("univariate", "shap")
    features: int = Field(default=50, ge=1)
    rows: int = Field(default=20_000, ge=100)
    newer: float = Field(default=0.25, gt=0, lt=1)
    rounds: int = Field(default=60, ge=1)
    drop: float = Field(default=0.25, gt=0, lt=1)


@dataclass(frozen=True)
class Task:
    """What the features are chosen for; the same for all models of a head.

    Attributes:
        kind: Kind of the head.
        seed: Seed of the sampled rows, the probe and the permutation.
        tail: Share of the newest training timestamps that early stopping watches: selection never reads them.
        weights: How training rows are weighted; the probe takes the same weights as the models.
    """

    kind: Kind
    seed: int = 0
    tail: float = 0.15
    weights: WeightRule = UNWEIGHTED
