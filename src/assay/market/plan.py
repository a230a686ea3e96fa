"""The plan of a head: everything that is fixed before the first model is fitted."""

from typing import Literal


from assay.market.execution import Execution
from assay.market.parameters import Parameters
from assay.market.splits import Receipt
from assay.market.workload import Head, Kind

Role = Literal["model", "baseline"]


class Plan(Parameters):
    """What labels, tuning, walk-forward, ledger and evaluation of one head must agree on.

    Attributes:
        head: Name of the head.
        kind: Classification or regression.
        roles: Every contender and whether it is a model or a baseline.
        horizon: Bars from entry to exit of a label, and of a position.
        execution: Delay and price field that labels and ledger share.
        feature_set_id: The only feature set that models of this head may be fed with.
        receipts: The folds, earliest first.
    """

    head: str
    kind: Kind
    roles: dict[str, Role]
    horizon: int
    execution: Execution
    feature_set_id: str
    receipts: tuple[Receipt, ...]


def roles_of(head: Head) -> dict[str, Role]:
    """Every contender of a head with its role."""
    models: dict[str, Role] = dict.fromkeys(head.models, "model")
    return models | dict.fromkeys(head.baselines, "baseline")
