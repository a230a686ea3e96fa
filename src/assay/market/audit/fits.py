"""A7: nothing that was fitted or chosen has seen a row of the test fold it is judged on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from assay.market.audit.document import Check, Document, Outcome, names

SEEN = ("last_time_seen", "last_label_end")


def check_fit_scope(fits: Sequence[Mapping[str, Any]], label_manifest: Mapping[str, Any]) -> Document:
    """Hold what every fit declares to have seen against the fold it predicts.

    Args:
        fits: One record per fit or choice: ``model, fold, what, last_time_seen, last_label_end, test_start``, times as
            ISO text. ``last_label_end`` is null where a fit reads no labels.
        label_manifest: What ``make_labels`` said; ``threshold_seen`` is the last row that estimated the threshold, null
            when that is fixed.

    Returns:
        The record of test A7: ``fail`` when something seen is not before the test fold, ``incomplete`` when nothing was
        declared or a declaration lacks its time.
    """
    starts = [datetime.fromisoformat(fit["test_start"]) for fit in fits]
    silent = [_called(fit) for fit in fits if not fit.get("last_time_seen")]
    late = [said for fit, start in zip(fits, starts, strict=True) for said in _late(fit, start)]
    threshold = label_manifest.get("threshold_seen")
    if threshold and starts and datetime.fromisoformat(threshold) >= min(starts):
        late.append(f"threshold of the labels has seen {threshold}, the first test fold starts {min(starts)}")
    return Check(
        id="A7",
        name="Fit scope",
        procedure="Every fit, selection, weight and threshold declares the last row and the last label it has seen; "
        "both must lie before the test fold.",
        outcome=_outcome(late, silent, len(fits)),
        found=_found(late, silent, fits),
        detectable="anything declared; code that fits without declaring is not seen",
    ).to_dict()


def _called(fit: Mapping[str, Any]) -> str:
    return f"{fit['what']} of {fit['model']} in fold {fit['fold']}"


def _late(fit: Mapping[str, Any], start: datetime) -> list[str]:
    seen = {name: fit.get(name) for name in SEEN}
    return [
        f"{_called(fit)}: {name.replace('_', ' ')} {time}, the test fold starts {fit['test_start']}"
        for name, time in seen.items()
        if time and datetime.fromisoformat(time) >= start
    ]


def _outcome(late: Sequence[str], silent: Sequence[str], count: int) -> Outcome:
    if late:
        return "fail"
    return "incomplete" if silent or not count else "pass"


def _found(late: Sequence[str], silent: Sequence[str], fits: Sequence[Mapping[str, Any]]) -> str:
    if late:
        return f"{len(late)} saw too much: {names(late)}"
    if silent or not fits:
        return f"no time declared by {names(silent)}" if fits else "no fit declared anything"
    kinds = sorted({str(fit["what"]) for fit in fits})
    return f"{len(fits)} declarations ({', '.join(kinds)}), all before their test folds"
