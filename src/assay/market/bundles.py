"""Bundles of a head: which there are, and which one decides."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.market.errors import BundleError, ConfigurationError
from assay.market.models import Files
from assay.market.recipe import RECIPE, Recipe, open_recipe

CHAMPION = "champion.json"
DESCRIBED = ("kind", "params", "feature_set_id", "weights", "best_iteration", "training", "versions")


@dataclass(frozen=True)
class Champion:
    """A recipe that decides.

    Attributes:
        recipe: The fitted recipe.
        model: Name of its model, as in the out-of-sample predictions.
        bundle_id: Identity of the bundle it was opened from.
    """

    recipe: Recipe
    model: str
    bundle_id: str


@dataclass(frozen=True)
class Champions:
    """The two champions of a workload.

    Attributes:
        signal: Classification: SHORT, NEUTRAL or LONG.
        target: Regression: the forward return.
    """

    signal: Champion
    target: Champion


def bundle_id(files: Files) -> str:
    """Identity of a bundle: the first 16 hexadecimal digits of the SHA-256 over its names and bytes."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])} ".encode())
        digest.update(files[name])
    return digest.hexdigest()[:16]


def index_bundles(bundles: Mapping[str, Files]) -> list[dict[str, Any]]:
    """List the bundles of a head, one record per model: its identity and what its card says about the training.

    A bundle has no score of its own: it has seen every labelled row.
    """
    cards = {model: json.loads(files[RECIPE]) for model, files in bundles.items()}
    return [
        {"model": model, "bundle_id": bundle_id(bundles[model])} | {name: card[name] for name in DESCRIBED}
        for model, card in cards.items()
    ]


def crown_bundle(bundles: Mapping[str, Files], model: str) -> dict[str, bytes]:
    """The bundle that decides, with its name and identity on it.

    Raises:
        ConfigurationError: The head has no such model.
    """
    if model not in bundles:
        raise ConfigurationError(
            "parameter 'primary.model'",
            "names a model that this head does not have",
            expected=f"one of {', '.join(bundles)}",
            found=model,
            do="name one of them; the primary's model decides in every head",
        )
    files = bundles[model]
    label = json.dumps({"model": model, "bundle_id": bundle_id(files)}, sort_keys=True).encode()
    return {**files, CHAMPION: label}


def open_champions(*, signal: Files, target: Files, feature_set_id: str) -> Champions:
    """Open the two bundles that decide, for features of one feature set.

    Raises:
        BundleError: One is no champion, belongs to another feature set, or is damaged.
    """
    return Champions(_open(signal, feature_set_id), _open(target, feature_set_id))


def _open(files: Files, feature_set_id: str) -> Champion:
    if CHAMPION not in files:
        raise BundleError("champion", "has no name on it", expected=CHAMPION, found=sorted(files), do="train again")
    label = json.loads(files[CHAMPION])
    return Champion(open_recipe(files, feature_set_id=feature_set_id), label["model"], label["bundle_id"])
