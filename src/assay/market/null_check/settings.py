"""What a run is made of: its market, and the workload's parameters with what differs in the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from assay.market.errors import ConfigurationError
from assay.market.labels import FixedHorizon, Forecast, LabelRule, TrendScanning, TripleBarrier
from assay.market.null_check.rule import NullCheckRule, WorkloadCheck
from assay.market.null_check.tasks import PLANTED, SHIFT, TOGETHER, Task
from assay.market.simulator import MarketRule

Block = Mapping[str, Any]
Labels = FixedHorizon | Forecast | TrendScanning | TripleBarrier

OFF = {"clustering": {"volatility_sd": 0.0}, "season": {"season": 0.0}, "correlation": {"correlation": 0.0}}
OVERLAPPING = (SHIFT, "overlap", TOGETHER)  # the other kinds enter and leave within one bar
FIXED = {"verdict": {"universe": "fixed"}}  # simulated symbols are no survivors, and a cap would hide errors


def market_rule(task: Task, rule: NullCheckRule, check: WorkloadCheck) -> MarketRule:
    """The market of a run: a null market but for a planted signal, with the mechanisms of its kind and no other.

    Args:
        task: A run on a simulated market.
        rule: For the length of markets with a planted signal.
        check: Size of the market, and how strong each mechanism is.
    """
    changed: dict[str, Any] = {"seed": task.seed, "ic": task.ic}
    if task.kind == PLANTED:
        changed["bars"] = rule.planted.bars
    for fields in [] if task.kind == TOGETHER else [fields for name, fields in OFF.items() if name != task.kind]:
        changed |= fields
    return MarketRule.model_validate(check.market.model_dump() | changed)


def settings_of(task: Task, block: Block, rule: NullCheckRule, check: WorkloadCheck) -> dict[str, Any]:
    """The workload's parameters as they are in a run.

    Args:
        task: The run.
        block: The workload's own parameters, plain values.
        rule: What differs in runs with a planted signal.
        check: What differs in all runs.

    Returns:
        The same blocks. Labels reach over one bar unless they are to overlap (those without a ``horizon``, by trend
        scanning, always do), and the universe counts as fixed.

    Raises:
        ConfigurationError: A block is overridden that the workload does not have.
    """
    found = merged(block, check.overrides)
    if task.kind not in OVERLAPPING:
        short = {name: {"horizon": 1} for name, labels in _labels(found) if not isinstance(labels, TrendScanning)}
        found = merged(found, {"heads": short})
    if task.kind == PLANTED:
        found = merged(found, rule.planted.overrides)
    return merged(found, FIXED)


def longest_label(block: Block) -> int:
    """Bars of the longest label of a workload."""
    return max(rule.max_length if isinstance(rule, TrendScanning) else rule.horizon for _, rule in _labels(block))


def _labels(block: Block) -> Iterator[tuple[str, Labels]]:
    for name, rule in block["heads"].items():
        yield name, LabelRule.model_validate(rule).root


def merged(block: Block, overrides: Block) -> dict[str, Any]:
    """A block of parameters with some values replaced, key by key.

    Raises:
        ConfigurationError: The first key of an override is not in the block; unknown keys below it are refused where
            the parameters are read.
    """
    if unknown := sorted(set(overrides) - set(block)):
        raise ConfigurationError(
            f"null_check.workloads, overrides '{', '.join(unknown)}'",
            "override what the workload does not have",
            expected=f"some of {', '.join(block)}",
            do="correct the names in parameters_null_check.yml",
        )
    return _merged(block, overrides)


def _merged(old: Block, new: Block) -> dict[str, Any]:
    both = {
        key: _merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }
    return {**old, **both}
