"""Which models of a head can be told apart, and whether any is better than no forecast of direction at all.

The contest is about direction: the loss of a row is minus its standardised direction score times its standardised
realised return, so that the mean loss of a model is minus its information coefficient. Log loss and squared error
would reward knowing how far prices move and not where to; they are compared beside it, for information.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import polars as pl

from assay.market.evaluation.contenders import Lineup, lineup_of
from assay.market.evaluation.rule import EvaluationRule
from assay.market.metrics import Forecasts
from assay.market.metrics.forecasts import Array
from assay.market.significance.forecasts import (
    diebold_mariano,
    pesaran_timmermann,
    pesaran_timmermann_overlapping,
)
from assay.market.significance.superiority import (
    FEWEST,
    LossResamples,
    loss_differences,
    model_confidence_set,
    resample_losses,
    step_m,
    superior_predictive_ability,
)
from assay.market.tables import PROBABILITIES

SET_LEVEL = 0.1  # of the confidence set, as Hansen, Lunde & Nason (2011) use it
FAMILY_LEVEL = 0.05
NO_DIRECTION = "zero"
DIRECTION_LOSS = {
    "name": "direction loss",
    "definition": "Minus the standardised direction score times the standardised realised return: its mean is minus "
    "the IC, and no direction at all has loss 0.",
}
ACCURACY_LOSS = {
    "classification": {
        "name": "log loss",
        "definition": "Log loss in nats; it rewards volatility skill too, and is here for information.",
    },
    "regression": {
        "name": "squared error",
        "definition": "Squared error of the predicted return; large moves carry most of it, and it is here for "
        "information.",
    },
}


def contest(oos: pl.DataFrame, *, roles: Mapping[str, str], horizon: int, rule: EvaluationRule) -> dict[str, Any]:
    """Hold the models of a head against each other and against no direction, ready for JSON.

    On the common rows of ``evaluate``, summed over the entities of a timestamp, which count together; blocks of time
    are never shorter than the horizon. Everything with a score that varies inside a fold takes part: models, learned
    baselines and also ``last_sign``; a constant has no direction.

    - ``models``: model confidence set (Hansen, Lunde & Nason 2011) on the direction loss.
    - ``spa``, ``stepm``: superior predictive ability (Hansen 2005) and StepM (Romano & Wolf 2005) over all of them
      against a loss of 0, which is what no direction at all has.
    - ``pairs``: every model against every rival, both with its interval (not adjusted for the number of pairs) and as
      Diebold-Mariano test. Forecasts are taken as given: what refitting adds is not in it.
    - ``pesaran_timmermann``: whether the sign of the score says anything about the sign of the return, as if rows were
      independent, and aware of overlap and of entities together.
    - ``accuracy_of_forecast``: the confidence set again by log loss or squared error.

    Args:
        oos: Out-of-sample predictions of all models of the head.
        roles: ``model`` or ``baseline`` for every model in ``oos``.
        horizon: Bars that a label spans.
        rule: Resampling and common folds.

    Returns:
        The document; without a score that varies, or with fewer than 20 timestamps, ``models`` and ``pairs`` are
        empty, ``spa`` and ``block`` None, and ``said`` says why.

    Raises:
        ConfigurationError: Models without a role, or no fold to compare on.
        DataError: Probabilities that are none, missing forecasts, or no labelled rows.
    """
    classes = PROBABILITIES[0] in oos.columns
    lineup = lineup_of(oos, kind="classification" if classes else "regression", roles=roles, horizon=horizon, rule=rule)
    names = [name for name in roles if _varies(lineup.common(name))]
    document = {
        "loss": DIRECTION_LOSS,
        "reference": NO_DIRECTION,
        "rows": lineup.frame.height,
        "timestamps": lineup.timestamps,
        "level": SET_LEVEL,
        "pesaran_timmermann": {name: _signs(lineup, name) for name in names},
    }
    if not names or lineup.timestamps < FEWEST:
        return document | _nothing(lineup, names)
    drawn, other = (_resampled(lineup, names, loss) for loss in (_direction_loss, _own_loss))
    ranked, superior = _ranked(drawn, names), _superior(drawn, names)
    return document | {
        "block": drawn.block,
        "models": ranked,
        **superior,
        "pairs": _pairs(lineup, names, drawn),
        "accuracy_of_forecast": {
            "loss": ACCURACY_LOSS[lineup.kind],
            "block": other.block,
            "models": _ranked(other, names),
        },
        "said": _said(ranked, superior),
    }


def _nothing(lineup: Lineup, names: Sequence[str]) -> dict[str, Any]:
    few = f"There are {lineup.timestamps} timestamps, and a contest takes {FEWEST}."
    return {
        "block": None,
        "models": {},
        "spa": None,
        "stepm": {"level": FAMILY_LEVEL, "better": []},
        "pairs": [],
        "accuracy_of_forecast": {"loss": ACCURACY_LOSS[lineup.kind], "block": None, "models": {}},
        "said": few if names else "No model has a score that varies, so there is nothing to compare.",
    }


def _varies(rows: Forecasts) -> bool:
    """Whether the score says different things at different rows of a fold, beyond rounding."""
    return bool(rows.centred.std() > 1e-9 * np.abs(rows.score).max(initial=0.0)) and bool(np.ptp(rows.returns) > 0.0)


def _direction_loss(rows: Forecasts) -> Array:
    return -_standardised(rows.centred) * _standardised(rows.returns)


def _own_loss(rows: Forecasts) -> Array:
    return rows.loss


def _standardised(values: Array) -> Array:
    return np.asarray((values - values.mean()) / values.std())


def _resampled(lineup: Lineup, names: Sequence[str], loss: Callable[[Forecasts], Array]) -> LossResamples:
    """Losses summed over each timestamp, in units of the mean number of rows, so that their mean is that over rows."""
    per_row = lineup.timestamps / lineup.frame.height
    columns = [np.add.reduceat(loss(lineup.common(name)), lineup.starts) * per_row for name in names]
    return resample_losses(np.column_stack(columns), rule=lineup.rule, horizon=lineup.horizon)


def _ranked(drawn: LossResamples, names: Sequence[str]) -> dict[str, Any]:
    mean, p = drawn.losses.mean(axis=0), model_confidence_set(drawn)
    return {
        name: {"mean_loss": float(mean[i]), "mcs_p": float(p[i]), "inside": bool(p[i] > SET_LEVEL)}
        for i, name in enumerate(names)
    }


def _superior(drawn: LossResamples, names: Sequence[str]) -> dict[str, Any]:
    lower, consistent, upper = superior_predictive_ability(drawn)
    better = [names[column] for column in step_m(drawn, level=FAMILY_LEVEL)]
    return {
        "spa": {"p_lower": lower, "p_consistent": consistent, "p_upper": upper, "models": len(names)},
        "stepm": {"level": FAMILY_LEVEL, "better": better},
    }


def _pairs(lineup: Lineup, names: Sequence[str], drawn: LossResamples) -> list[dict[str, Any]]:
    """Every model against every rival; a baseline is a rival only."""
    difference, low, high = loss_differences(drawn, confidence=lineup.rule.confidence)
    found = []
    for i, j in permutations(range(len(names)), 2):
        if lineup.contenders[names[i]].role == "model":
            test = diebold_mariano(drawn.losses[:, i], drawn.losses[:, j], horizon=lineup.horizon)
            ends = {"value": float(difference[i, j]), "low": float(low[i, j]), "high": float(high[i, j])}
            told = {"difference": ends, "dm": test.statistic, "p": test.p, "said": _pair_said(ends)}
            found.append({"model": names[i], "rival": names[j], **told})
    return found


def _pair_said(difference: Mapping[str, float]) -> str:
    if difference["low"] <= 0.0 <= difference["high"]:
        return "cannot be told apart"
    return "better than the rival" if difference["high"] < 0.0 else "worse than the rival"


def _signs(lineup: Lineup, name: str) -> dict[str, Any]:
    rows = lineup.common(name)
    plain = pesaran_timmermann(rows.score, rows.returns)
    aware = pesaran_timmermann_overlapping(rows.score, rows.returns, lineup.starts, horizon=lineup.horizon)
    return {
        "statistic": plain.statistic,
        "p": plain.p,
        "overlapping": {"t": aware.t, "p": aware.p},
        "hits": plain.hits,
        "expected": plain.expected,
        "said": _signs_said(aware.p),
    }


def _signs_said(p: float | None) -> str:
    if p is None:
        return "no information: calls or outcomes are all on one side"
    if p > FAMILY_LEVEL:
        return "no more hits than one-sided calls have by luck"
    return "more hits than one-sided calls have by luck"


def _said(ranked: Mapping[str, Mapping[str, Any]], superior: Mapping[str, Mapping[str, Any]]) -> str:
    best = min(ranked, key=lambda name: ranked[name]["mean_loss"])
    inside = [name for name, found in ranked.items() if found["inside"]]
    p, better = superior["spa"]["p_consistent"], superior["stepm"]["better"]
    alone = f"{best} alone cannot be beaten" if len(inside) == 1 else f"{len(inside)} cannot be told from the best"
    return (
        f"Of {len(ranked)} models {best} has the largest IC; at a level of {SET_LEVEL:.0%}, {alone}. Were all of them "
        f"worthless, the best would look as good with p {p:.3f}; better than no direction, with all of them counted: "
        f"{', '.join(better) or 'none'}."
    )
