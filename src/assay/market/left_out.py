"""Bundles of all models of a head, some of which hold only the reason why a model takes part in no fit of a run."""

import json
from collections.abc import Mapping

from assay.market.models import Files

LEFT_OUT = "left_out.json"


def bundle_of_none(reason: str) -> dict[str, bytes]:
    """The bundle of a model that was left out: the reason, and nothing that could answer."""
    return {LEFT_OUT: json.dumps({"reason": reason}).encode()}


def shelve(bundles: Mapping[str, Files]) -> dict[str, bytes]:
    """The bundles of all models of a head as one, for other stages: ``<model>/<file>``; those left out say why."""
    return {f"{model}/{name}": content for model, files in bundles.items() for name, content in files.items()}


def unshelve(files: Files) -> dict[str, dict[str, bytes]]:
    """The bundles by model that `shelve` put together."""
    bundles: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        model, _, name = path.partition("/")
        bundles.setdefault(model, {})[name] = content
    return bundles


def left_out(files: Files) -> str | None:
    """Why the model of a bundle was left out; None where there is one."""
    return str(json.loads(files[LEFT_OUT])["reason"]) if LEFT_OUT in files else None


def present(bundles: Mapping[str, Files]) -> dict[str, Files]:
    """The bundles that hold a model."""
    return {model: files for model, files in bundles.items() if LEFT_OUT not in files}


def reasons(bundles: Mapping[str, Files]) -> dict[str, str]:
    """By model why it was left out."""
    return {model: reason for model, files in bundles.items() if (reason := left_out(files))}
