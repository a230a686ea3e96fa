"""How much is explained, and how the ranking of features is judged."""

from typing import get_args

from pydantic import Field, PositiveInt, field_validator

from assay.market.models import ModelParams
from assay.market.parameters import Parameters


class ExplanationRule(Parameters):
    """How the models of the folds are explained.

    Attributes:
        rows: Rows of each test fold that are explained, at most.
        rows_by_kind: The same for single families, by ``kind``: explaining a row costs a forest a hundred times what it
            costs boosted trees.
        features: Features that the document lists of each model, largest first.
        top: Of how many largest features the folds are compared.
        seed: Seed of the draw of rows.
    """

    rows: PositiveInt = 300
    rows_by_kind: dict[str, PositiveInt] = Field(default_factory=dict)
    features: PositiveInt = 20
    top: PositiveInt = 10
    seed: int = Field(default=0, ge=0)

    @field_validator("rows_by_kind")
    @classmethod
    def _known_kinds(cls, rows: dict[str, int]) -> dict[str, int]:
        families = get_args(ModelParams.model_fields["root"].annotation)
        kinds = [family.model_fields["kind"].default for family in families]
        if unknown := sorted(set(rows) - set(kinds)):
            raise ValueError(f"there is no kind of model {', '.join(unknown)}; there are: {', '.join(kinds)}")
        return rows

    def rows_of(self, kind: str) -> int:
        """How many rows of a test fold a model of ``kind`` explains at most."""
        return self.rows_by_kind.get(kind, self.rows)
