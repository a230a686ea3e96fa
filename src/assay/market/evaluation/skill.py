"""Skill: gains over rivals on the same rows, direction apart from volatility, and on how many occasions it rests."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.market.evaluation.contenders import Lineup
from assay.market.evaluation.resampling import Estimate, Resamples
from assay.market.evaluation.rule import DIRECTION, VOLATILITY_ONLY, VOLATILITY_SKILL
from assay.market.metrics import Forecasts
from assay.market.significance import episodes, ic_t

Models = Mapping[str, Mapping[str, Any]]


def versus(lineup: Lineup, name: str, models: Models, resamples: Resamples) -> dict[str, dict[str, Estimate]]:
    """Paired differences to every other baseline, and of a model to itself without direction.

    Args:
        lineup: The contenders.
        name: The one that is compared.
        models: What is said about each of them.
        resamples: Of the common rows.
    """
    rivals = [other for other in lineup.with_role("baseline") if other != name]
    rivals += [other for other in lineup.contenders if other == VOLATILITY_ONLY.format(name)]
    compared: dict[str, dict[str, Estimate]] = {rival: {} for rival in rivals}
    for rival in rivals:
        for metric in lineup.metrics:
            mine, theirs = (models[m]["metrics"][metric]["value"] for m in (name, rival))
            difference = None if mine is None or theirs is None else mine - theirs
            drawn = resamples.found[name][metric] - resamples.found[rival][metric]
            compared[rival][metric] = resamples.estimate("difference", difference, drawn)
    return compared


def skill_of(lineup: Lineup, models: Models, resamples: Resamples) -> dict[str, dict[str, Any]]:
    """Direction skill, volatility skill and episodes of every model and baseline.

    Args:
        lineup: The contenders.
        models: What is said about each of them.
        resamples: Of the common rows.
    """
    skill: dict[str, dict[str, Any]] = {}
    for name, contender in lineup.contenders.items():
        if contender.role != "volatility_only":
            rows = lineup.common(name)
            t = ic_t(rows.centred, rows.returns, lineup.starts, horizon=lineup.horizon)
            ic = dict(models[name]["metrics"][DIRECTION[lineup.kind]])
            skill[name] = {
                "direction": {"ic": ic, "t_hac": t},
                "volatility": _volatility_skill(lineup, name, models, resamples),
                "episodes": _episodes(lineup, rows),
            }
    return skill


def _episodes(lineup: Lineup, rows: Forecasts) -> int:
    return episodes(np.add.reduceat(rows.centred**2, lineup.starts), horizon=lineup.horizon)


def _volatility_skill(lineup: Lineup, name: str, models: Models, resamples: Resamples) -> dict[str, Estimate]:
    """Gain of the direction-free twin over the class prior; positive is better. Empty without either of them."""
    twin, prior = VOLATILITY_ONLY.format(name), lineup.rule.prior
    if twin not in models or prior not in models:
        return {}
    gains = {}
    for metric, sign in VOLATILITY_SKILL.items():
        mine, given = (models[m]["metrics"][metric]["value"] for m in (twin, prior))
        drawn = (resamples.found[twin][metric] - resamples.found[prior][metric]).times(sign)
        gains[metric] = resamples.estimate("value", sign * (mine - given), drawn)
    return gains
