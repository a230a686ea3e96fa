"""How much the choice of features depends on the training part; only the report reads it."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.market.selection.document import Selection

CONFIDENCE = 0.95


def stability(selections: Mapping[str, Selection]) -> dict[str, Any]:
    """Compare the choices of the outer folds, ``fold 1``, ``fold 2``, ...; nothing that is fitted reads the result.

    Args:
        selections: By training part; parts of other names are left out.

    Returns:
        ``folds``: how many there are. ``estimate``, ``low``, ``high``, ``confidence``: see `nogueira`; null where it is
        undefined. ``features``: one record per feature on offer, most often chosen first, then by mean rank: ``name``,
        ``share`` of the folds that chose it, ``ranked`` folds, ``mean_rank`` and ``rank_spread`` (standard deviation,
        n - 1) of its consensus rank over the folds that ranked it; null where there are none, or one.
    """
    folds = [selection for part, selection in selections.items() if part.startswith("fold ")]
    names = list(dict.fromkeys(name for fold in folds for name in (*fold.kept, *fold.dropped)))
    chosen = np.array([[name in set(fold.kept) for name in names] for fold in folds], dtype=bool)
    records = [_record(name, folds) for name in names]
    estimate, low, high = nogueira(chosen)
    return {
        "folds": len(folds),
        "estimate": estimate,
        "low": low,
        "high": high,
        "confidence": CONFIDENCE,
        "features": sorted(records, key=lambda record: (-record["share"], record["mean_rank"] or np.inf)),
    }


def nogueira(chosen: npt.NDArray[np.bool_]) -> tuple[float | None, float | None, float | None]:
    """Stability of repeated choices, corrected for chance, with its interval.

    Nogueira, Sechidis and Brown, *On the Stability of Feature Selection Algorithms* (*JMLR* 18, 2018), definition 4 and
    theorem 8: 1 when all choices are equal, 0 on average when each is drawn at random. The interval takes the choices
    for independent samples; walk-forward folds share training rows, so it is too narrow, and the estimate is too high.

    Args:
        chosen: Which features each repetition chose, shape (repetitions, features).

    Returns:
        Estimate and the two ends of its 95 % interval; all None with fewer than two repetitions, or where every
        repetition chose all features or none.
    """
    if len(chosen) < 2 or not 0 < chosen.mean() < 1:
        return None, None, None
    z, (m, d) = chosen.astype(float), chosen.shape
    p, k = z.mean(axis=0), z.sum(axis=1)
    mean_k = k.mean()
    chance = mean_k / d * (1 - mean_k / d)
    estimate = 1 - m / (m - 1) * (p * (1 - p)).mean() / chance
    correction = estimate / 2 * (2 * k * mean_k / d**2 - k / d - mean_k / d + 1)
    parts = ((z * p).mean(axis=1) - k * mean_k / d**2 + correction) / chance
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt(4 / m**2 * ((parts - parts.mean()) ** 2).sum())
    return float(estimate), float(estimate - half), float(estimate + half)


def _record(name: str, folds: list[Selection]) -> dict[str, Any]:
    ranks = [fold.consensus[name] for fold in folds if name in fold.consensus]
    return {
        "name": name,
        "share": sum(name in fold.kept for fold in folds) / len(folds),
        "ranked": len(ranks),
        "mean_rank": float(np.mean(ranks)) if ranks else None,
        "rank_spread": float(np.std(ranks, ddof=1)) if len(ranks) > 1 else None,
    }
