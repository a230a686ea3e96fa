"""Skill: gains over rivals on the same rows, direction apart from volatility, and on how many occasions it rests."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.market.evaluation.contenders import Field
from assay.market.evaluation.resampling import Estimate, Resamples
from assay.market.evaluation.rule import DIRECTION, VOLATILITY_ONLY, VOLATILITY_SKILL
from assay.market.metrics import Forecasts
from assay.market.significance import episodes, ic_t

Models = Mapping[str, Mapping[str, Any]]


def versus(field: Field, name: str, models: Models, resamples: Resamples) -> dict[str, dict[str, Estimate]]:
    """Paired differences to every other baseline, and of a model to itself without direction.

    Args:
        field: The contenders.
        name: The one that is compared.
        models: What is said about each of them.
        resamples: Of the common rows.
    """
    rivals = [other for other in field.with_role("baseline") if other != name]
    rivals += [other for other in field.contenders if other == VOLATILITY_ONLY.format(name)]
    compared: dict[str, dict[str, Estimate]] = {rival: {} for rival in rivals}
    for rival in rivals:
        for metric in field.metrics:
            mine, theirs = (models[m]["metrics"][metric]["value"] for m in (name, rival))
            difference = None if mine is None or theirs is None else mine - theirs
            drawn = resamples.found[name][metric] - resamples.found[rival][metric]
            compared[rival][metric] = resamples.estimate("difference", difference, drawn)
    return compared


def skill_of(field: Field, models: Models, resamples: Resamples) -> dict[str, dict[str, Any]]:
    """Direction skill, volatility skill and episodes of every model and baseline.

    Args:
        field: The contenders.
        models: What is said about each of them.
        resamples: Of the common rows.
    """
    skill: dict[str, dict[str, Any]] = {}
    for name, contender in field.contenders.items():
        if contender.role != "volatility_only":
            rows = field.common(name)
            t = ic_t(rows.centred, rows.returns, field.starts, horizon=field.horizon)
            ic = dict(models[name]["metrics"][DIRECTION[field.kind]])
            skill[name] = {
                "direction": {"ic": ic, "t_hac": t},
                "volatility": _volatility_skill(field, name, models, resamples),
                "episodes": _episodes(field, rows),
            }
    return skill


def _episodes(field: Field, rows: Forecasts) -> int:
    return episodes(np.add.reduceat(rows.centred**2, field.starts), horizon=field.horizon)


def _volatility_skill(field: Field, name: str, models: Models, resamples: Resamples) -> dict[str, Estimate]:
    """Gain of the direction-free twin over the class prior; positive is better. Empty without either of them."""
    twin, prior = VOLATILITY_ONLY.format(name), field.rule.prior
    if twin not in models or prior not in models:
        return {}
    gains = {}
    for metric, sign in VOLATILITY_SKILL.items():
        mine, given = (models[m]["metrics"][metric]["value"] for m in (twin, prior))
        drawn = (resamples.found[twin][metric] - resamples.found[prior][metric]).times(sign)
        gains[metric] = resamples.estimate("value", sign * (mine - given), drawn)
    return gains
