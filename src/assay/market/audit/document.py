"""What the audit says: one record per test, one per feature, and a verdict that never claims more than was tested."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from assay.market.errors import LeakError

Outcome = Literal["pass", "fail", "suspect", "incomplete", "informative"]
Document = dict[str, Any]

FAIL, SUSPECT, INCOMPLETE, NONE_FOUND = VERDICTS = ("FAIL", "SUSPECT", "INCOMPLETE", "NONE FOUND")
VERDICT_OF: dict[str, str] = {"fail": FAIL, "suspect": SUSPECT, "incomplete": INCOMPLETE}
SHOWN = 8  # names in a sentence


@dataclass(frozen=True)
class Check:
    """What one test did and found.

    Attributes:
        id: Its short name, e.g. ``A1``.
        name: Its name.
        procedure: What was done, in a sentence.
        outcome: ``pass``, ``fail``, ``suspect``, ``incomplete`` (it could not be done) or ``informative``.
        found: What was seen, in a sentence.
        detectable: What it would have seen, and with which probability; None where that is not a question of size.
        accused: What it says against single features, by name.
    """

    id: str
    name: str
    procedure: str
    outcome: Outcome
    found: str
    detectable: str | None = None
    accused: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> Document:
        """The record without the features, ready for JSON."""
        return {key: value for key, value in asdict(self).items() if key != "accused"}


def worst(verdicts: Iterable[str]) -> str:
    """The gravest of some verdicts; ``NONE FOUND`` for none."""
    return min(verdicts, key=VERDICTS.index, default=NONE_FOUND)


def names(some: Sequence[str]) -> str:
    """Some names as a list in words, the rest as a count."""
    more = len(some) - SHOWN
    return ", ".join(some[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def changed_features(some: Sequence[str]) -> str:
    """That features change, with their number and names."""
    return f"{len(some)} {'feature changes' if len(some) == 1 else 'features change'}: {names(some)}"


def admit(audit: Mapping[str, Any]) -> None:
    """Let training go on, or stop it.

    Args:
        audit: The audit's document.

    Raises:
        LeakError: The verdict is FAIL and leaks are not allowed by parameter.
    """
    if audit["verdict"] != FAIL or audit["allowed"]:
        return
    guilty = [feature["name"] for feature in audit["features"] if feature["verdict"] == FAIL]
    failed = [test for test in audit["tests"] if test["outcome"] == "fail"]
    plain = {failure["test"] for feature in audit["features"] for failure in feature["failures"]}
    raise LeakError(
        "leak audit",
        "found features that know the future" if guilty else "failed",
        expected="no feature that changes with rows after its own, and feeds joined when they were known",
        found=f"{names(guilty) or 'no single feature'}; by "
        + "; ".join(
            f"{test['id']} {test['name']}" + ("" if test["id"] in plain else f": {test['found']}") for test in failed
        ),
        do="fix the features, or leave them out by name under features.exclude; --params "
        "<workload>.leak_audit.allow_leaks=true trains on them all the same, and the report says so in red",
    )
