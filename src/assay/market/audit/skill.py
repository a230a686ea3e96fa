"""A8 and A10: is a feature too good, and is it good only at the very bar?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.market.audit.document import Check, names
from assay.market.audit.lags import Floats, Grid, Shifted, far_lags, null_levels
from assay.market.audit.rule import AuditRule
from assay.market.tables import KEY

HORIZONS = 5  # a shift is further away than so many label horizons
UNKNOWN = "no outcome, or a history too short for the shifts"
KEPT = 0.25  # share of its correlation that a strong feature keeps when it is one bar older


@dataclass(frozen=True)
class Skill:
    """Rank correlations of features with the outcome.

    Attributes:
        ic: By feature.
        delayed: The same when the feature is one bar older.
        null: By feature, the level below which all features together stay at 99 % of the shifts; empty when there are
            too few shifts. Infinite for a feature that does not vary.
        rows: Rows that were looked at.
        shifts: Shifts that made the null.
    """

    ic: Mapping[str, float]
    delayed: Mapping[str, float]
    null: Mapping[str, float]
    rows: int
    shifts: int


NOTHING = Skill({}, {}, {}, 0, 0)


def measure_skill(
    features: pl.DataFrame, labels: Mapping[str, pl.DataFrame], rule: AuditRule, *, memory: int = 0
) -> Skill:
    """Correlate every feature with every distinct outcome, and with the same outcomes shifted in a circle.

    Args:
        features: Features table.
        labels: Labels tables by head: ``entity, time, label_end, forward_return``.
        rule: Number and seed of the shifts, and how many rows to look at.
        memory: Bars of history that features read. An outcome that is shifted back less far lies in what they read and
            correlates with it for no reason of chance, so shifts keep away from it as far as the history allows.

    Returns:
        For each feature the correlation that is largest over the outcomes, in size.
    """
    found = [_one_outcome(features, outcome, rule, memory) for outcome in _distinct(labels.values()) if outcome.height]
    if not found or not all(skill.null for skill in found):
        return found[0] if found else NOTHING
    best = {
        name: max(found, key=lambda skill: abs(skill.ic[name]) / skill.null[name])
        for name in features.columns[len(KEY) :]
    }
    return Skill(
        ic={name: skill.ic[name] for name, skill in best.items()},
        delayed={name: skill.delayed[name] for name, skill in best.items()},
        null={name: skill.null[name] for name, skill in best.items()},
        rows=min(skill.rows for skill in found),
        shifts=min(skill.shifts for skill in found),
    )


def check_skill(skill: Skill, rule: AuditRule) -> Check:
    """A8: a feature above the null and above what is plausible is suspect; above the null only, it informs."""
    good = {name: skill.ic[name] for name, null in skill.null.items() if abs(skill.ic[name]) > null}
    accused = {
        name: f"rank correlation {ic:.3f} with the outcome; plausible: {rule.max_plausible_ic}, by chance: "
        f"{skill.null[name]:.3f}"
        for name, ic in good.items()
        if abs(ic) > rule.max_plausible_ic
    }
    usual = _usual(skill)
    found = f"{len(good)} of {len(skill.ic)} features above what chance gives (usually {usual:.3f})"
    found += f": {names(list(good))}" if good else ""
    found += f"; too good: {names(list(accused))}" if accused else "; none is too good"
    return Check(
        id="A8",
        name="Too good to be true",
        procedure=f"Rank correlation of each feature with the outcome on the {skill.rows:,} newest labelled rows, "
        f"against the largest of all features under {skill.shifts} circular shifts of all entities by one offset.",
        outcome="suspect" if accused else "pass" if skill.null else "incomplete",
        found=found if skill.null else UNKNOWN,
        detectable=f"rank correlations above {max(rule.max_plausible_ic, usual):.3f}; weaker leaks are not seen",
        accused=accused,
    )


def check_delay(skill: Skill, rule: AuditRule) -> Check:
    """A10: a strong feature that says nothing one bar later may be one bar early."""
    strong = [name for name, null in skill.null.items() if abs(skill.ic[name]) > max(null, rule.delay_ic)]
    accused = {
        name: f"rank correlation {skill.ic[name]:.3f} with the outcome, {skill.delayed[name]:.3f} one bar later"
        for name in strong
        if skill.delayed[name] * np.sign(skill.ic[name]) < KEPT * abs(skill.ic[name])
    }
    found = f"{len(accused)} of {len(strong)} features above chance and {rule.delay_ic} collapse"
    found += f": {names(list(accused))}" if accused else ""
    return Check(
        id="A10",
        name="Delay",
        procedure="All features are made one bar older; a strong correlation with the outcome must not collapse.",
        outcome="suspect" if accused else "pass" if skill.null else "incomplete",
        found=found if skill.null else UNKNOWN,
        detectable=f"errors of one bar, in rank correlations above {max(rule.delay_ic, _usual(skill)):.3f}",
        accused=accused,
    )


def _usual(skill: Skill) -> float:
    """The null of the median feature."""
    return float(np.median(list(skill.null.values()))) if skill.null else 0.0


def _distinct(labels: Iterable[pl.DataFrame]) -> list[pl.DataFrame]:
    kept: list[pl.DataFrame] = []
    for table in labels:
        outcome = table.select(*KEY, "label_end", "forward_return").drop_nulls()
        if not any(outcome.equals(other) for other in kept):
            kept.append(outcome)
    return kept


def _one_outcome(features: pl.DataFrame, outcome: pl.DataFrame, rule: AuditRule, memory: int) -> Skill:
    newest = outcome["time"].top_k(rule.skill_rows).min()
    outcome = outcome.filter(pl.col("time") >= newest)
    rows = features.filter(pl.col("time").is_between(newest, outcome["time"].max()))
    joined = rows.join(outcome, on=list(KEY), how="left", maintain_order="left")
    grid, rng = Grid(joined), np.random.default_rng([rule.seed, 8])
    shifted = Shifted(grid.ranks(joined["forward_return"]))
    spared = (len(grid) - rule.shifts) // 2 - 1  # a larger distance would leave too few shifts
    lags = far_lags(len(grid), max(HORIZONS * _horizon(joined, grid), min(memory, spared)), rule.shifts, rng)
    found: dict[str, Floats] = {
        name: shifted.correlations(grid.ranks(joined[name])) for name in features.columns[len(KEY) :]
    }
    enough = len(lags) >= rule.shifts and len(found) > 0
    levels = null_levels(np.array([each[lags] for each in found.values()])).tolist() if enough else []
    return Skill(
        ic={name: float(each[0]) for name, each in found.items()},
        delayed={name: float(each[1 % len(each)]) for name, each in found.items()},
        null=dict(zip(found, levels, strict=False)),
        rows=outcome.height,
        shifts=len(lags),
    )


def _horizon(joined: pl.DataFrame, grid: Grid) -> int:
    """Bars from a decision to the end of its label, the longest but for the odd gap."""
    known = joined.filter(pl.col("label_end").is_not_null())
    ends, starts = (grid.times.search_sorted(known[name]).to_numpy().astype(np.int64) for name in ("label_end", "time"))
    return int(np.quantile(ends - starts, 0.99)) if len(ends) else 0
