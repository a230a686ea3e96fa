"""Models that take part in no fit of a run: their nodes hand on a reason instead of a model."""

import json
from collections.abc import Mapping

from assay.market.models import Files

LEFT_OUT = "left_out.json"


def bundle_of_none(reason: str) -> dict[str, bytes]:
    """The bundle of a model that was left out: the reason, and nothing that could answer."""
    return {LEFT_OUT: json.dumps({"reason": reason}).encode()}


def left_out(files: Files) -> str | None:
    """Why the model of a bundle was left out; None where there is one."""
    return str(json.loads(files[LEFT_OUT])["reason"]) if LEFT_OUT in files else None


def present(bundles: Mapping[str, Files]) -> dict[str, Files]:
    """The bundles that hold a model."""
    return {model: files for model, files in bundles.items() if LEFT_OUT not in files}


def reasons(bundles: Mapping[str, Files]) -> dict[str, str]:
    """By model why it was left out."""
    return {model: reason for model, files in bundles.items() if (reason := left_out(files))}
