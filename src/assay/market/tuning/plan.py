"""What goes into a search and what comes out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from assay.market.recipe import RecipePlan
from assay.market.selection import Selection
from assay.market.tuning.budget import Budget

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Stopped = Literal["trials", "grid", "patience", "seconds"]


@dataclass(frozen=True)
class TuningPlan:
    """What to tune, how long, and where the study is kept.

    Attributes:
        recipe: What is fitted; its model parameters carry the search ranges and the values of the first trial, and its
            seed is also that of the search.
        budget: How much to do.
        embargo: Bars, or time, before an inner fold that no inner training label may reach, as before the outer folds.
        selections: The features chosen for the training part of each inner fold of `inner_receipts`.
        storage: An Optuna storage. One that outlives the process lets a killed study go on where it was; one for
            several processes can be pickled, and is then opened anew.
        clock: Seconds that only ever grow, for a limit of time.
    """

    recipe: RecipePlan
    budget: Budget
    embargo: int | timedelta
    selections: tuple[Selection, ...]
    storage: "BaseStorage"
    clock: Callable[[], float] | None = None


@dataclass(frozen=True)
class TuningResult:
    """Outcome of tuning one model.

    Attributes:
        best: Values of the searched parameters with the best score; empty for a model without search ranges.
        trials: One record per trial, first to last: id, number, state (complete, pruned, or failed: its score was not
            finite), params, score (higher is better; of a pruned trial over its ``folds``, None of a failed one), raw
            objective, folds scored, objective, rows, effective_rows.
        seen: What the search has seen, as `Seen.to_dict` says it; None for a model without search ranges.
        stopped: What ended the search: all ``trials`` or the whole ``grid`` were done, ``patience`` ran out, or the
            ``seconds``; None for a model without search ranges.
        params: Parameters of the model as they were configured, ``search`` ranges included; empty for a model that
            takes part in no fit.
    """

    best: dict[str, Any]
    trials: list[dict[str, Any]]
    seen: dict[str, str] | None = None
    stopped: Stopped | None = None
    params: dict[str, Any] = field(default_factory=dict)
