"""The rate at which the rules say "evidence", with its interval."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, get_args

from assay.market.evaluation import EvaluationRule
from assay.market.null_check.tasks import PLANTED
from assay.market.trading import BacktestRule
from assay.market.verdict import Level, VerdictRule

Record = Mapping[str, Any]
Document = dict[str, Any]

EVIDENCE = "evidence"
CONFIDENCE = 0.95


def rules_digest(verdict: VerdictRule, evaluation: EvaluationRule, backtest: BacktestRule) -> str:
    """SHA-256, in hexadecimal, of all parameters by which a report is judged: whose calibration this is."""
    rules = [rule.model_dump(mode="json") for rule in (verdict, evaluation, backtest)]
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def calibration(records: Sequence[Record], *, level: float) -> Document:
    """What the runs amount to.

    Args:
        records: One per run: ``kind`` (its ``name`` for a planted signal), ``level`` (what the verdict said),
            ``rules`` (by name whether each held), ``ic`` of the judged model, ``seconds``, ``rows`` (judged), or
            ``failed`` (the error) in place of all but ``kind`` and ``seed``.
        level: Share of the null runs of which the rules may say "evidence".

    Returns:
        ``runs`` (null runs that came to a verdict), ``kinds`` (by kind: ``runs``, ``levels``, ``evidence``, ``rules``
        and the medians of ``rows``, ``ic``, ``seconds``), ``total`` (the same of all null runs), ``failed`` (kind, seed
        and error of each failed run), ``power`` (None without planted runs; else ``kinds`` by strength), ``level``,
        ``holds`` (None: not told yet) and ``said``.
    """
    done = [record for record in records if not record.get("failed")]
    null, planted = ([r for r in done if r["kind"].startswith(PLANTED) is with_signal] for with_signal in (False, True))
    total = told(null)
    return {
        "runs": len(null),
        "kinds": _by_kind(null),
        "total": total,
        "failed": [{key: r[key] for key in ("kind", "seed", "failed")} for r in records if r.get("failed")],
        "power": {"kinds": _by_kind(planted), "said": _power_said(planted)} if planted else None,
        "level": level,
        "holds": _holds(total["evidence"], level),
        "said": _said(total, level),
    }


def told(records: Sequence[Record]) -> Document:
    """Counts, rate and costs of some runs; the rate is None where there are none."""
    levels = Counter(record["level"] for record in records)
    return {
        "runs": len(records),
        "levels": {level: levels[level] for level in get_args(Level)},
        "evidence": rate(levels[EVIDENCE], len(records)),
        "rules": _held(records),
        "rows": _median(record["rows"] for record in records),
        "ic": _median(record["ic"]["value"] for record in records),
        "seconds": _median(record["seconds"] for record in records),
    }


def rate(hits: int, runs: int) -> dict[str, float | None]:
    """A share with its exact interval at 95 % (Clopper and Pearson, *Biometrika* 1934), which is never too narrow.

    Args:
        hits: How often it happened.
        runs: Out of how many independent runs.
    """
    from scipy.stats import beta

    if runs == 0:
        return {"value": None, "low": None, "high": None}
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, hits, runs - hits + 1)) if hits else 0.0
    high = float(beta.isf(tail, hits + 1, runs - hits)) if hits < runs else 1.0
    return {"value": hits / runs, "low": low, "high": high}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _by_kind(records: Iterable[Record]) -> dict[str, Document]:
    kinds: dict[str, list[Record]] = {}
    for record in records:
        kinds.setdefault(record["kind"], []).append(record)
    return {kind: told(found) for kind, found in sorted(kinds.items())}


def _held(records: Iterable[Record]) -> dict[str, Document]:
    """How often each rule of the verdict held, out of the runs in which it could be asked."""
    counts: dict[str, Counter[bool]] = {}
    for record in records:
        for name, holds in record.get("rules", {}).items():
            counts.setdefault(name, Counter()).update([] if holds is None else [bool(holds)])
    return {name: {"held": count[True], "asked": count.total()} for name, count in counts.items()}


def _holds(evidence: Mapping[str, Any], level: float) -> bool | None:
    """Whether the rate is within the level: False when its interval lies above, True below, else not told yet."""
    if evidence["value"] is None:
        return None
    if evidence["low"] > level:
        return False
    return True if evidence["high"] <= level else None


def _said(total: Document, level: float) -> str:
    if not total["runs"]:
        return "No null run came to a verdict, so nothing is known about false alarms."
    hits, too_good = (total["levels"][name] for name in (EVIDENCE, "implausible"))
    found = f"{_share(hits, total)} of null runs were called evidence"
    alarms = f"; {too_good} more were called implausible, which nobody would trade on" if too_good else ""
    what = {
        True: f"That is below the level of {level:.0%}.",
        False: f"That is ABOVE the level of {level:.0%}: the rules say evidence too often.",
        None: f"That is in keeping with the level of {level:.0%}; the interval still reaches above it.",
    }[_holds(total["evidence"], level)]
    return f"{found}{alarms}. {what}"


def _power_said(planted: Sequence[Record]) -> str:
    parts = [
        f"of strength {kind.removeprefix(PLANTED).strip()} in {_share(found['levels'][EVIDENCE], found)}, where the "
        f"model reached an IC of {'none' if found['ic'] is None else format(found['ic'], '.3f')} in the median"
        for kind, found in _by_kind(planted).items()
    ]
    return f"A planted signal was called evidence, {'; '.join(parts)}."


def _share(hits: int, found: Document) -> str:
    low, high = (found["evidence"][end] for end in ("low", "high"))
    return f"{hits} of {found['runs']} ({hits / found['runs']:.1%}, 95 % interval {low:.1%} to {high:.1%})"
