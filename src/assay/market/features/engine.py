"""From a panel to the features table and the catalogue that explains it."""

import hashlib
import json
from collections.abc import Collection, Sequence

import polars as pl

from assay.market.errors import ConfigurationError, DataError
from assay.market.features.availability import disabled_reasons
from assay.market.features.compute import compute
from assay.market.features.feature import Feature
from assay.market.features.registry import families, load_family
from assay.market.features.rule import FeatureRule
from assay.market.tables import KEY

ENGINE_VERSION = 1  # raise it whenever the same definition gives other values


def catalogue(rule: FeatureRule) -> list[Feature]:
    """The features that a rule asks for, in the order of the columns, whether or not a panel can provide them.

    Families come in the order of the rule, their features in the order of the family's file.

    Raises:
        ConfigurationError: The rule names a family or a feature that does not exist.
    """
    _check_names("families", rule.families, families())
    offered = [feature for family in dict.fromkeys(rule.families) for feature in load_family(family)]
    _check_names("exclude", rule.exclude, {feature.name for feature in offered})
    return [feature for feature in offered if feature.name not in rule.exclude]


def engineer(panel: pl.DataFrame, rule: FeatureRule) -> tuple[pl.DataFrame, dict[str, object]]:
    """Compute the features of every row of a panel from that row and the rows before it.

    Args:
        panel: One row per entity and bar: ``entity``, ``time``, OHLCV and the joined feeds.
        rule: What to compute.

    Returns:
        The features table (``entity``, ``time``, one Float32 column per feature; all rows of the panel, sorted) and the
        catalogue, ready for JSON: ``feature_set_id``, ``engine_version``, ``rule``, ``features`` (with the share of
        rows that have a value) and ``disabled`` (with the reason). Undefined values, those inside the warm-up and those
        that are not finite are null.

    Raises:
        ConfigurationError: The rule names a family or a feature that does not exist.
        DataError: The panel has no rows, or lacks ``entity``, ``time`` or ``close``.
    """
    wanted = catalogue(rule)
    _check_panel(panel)
    panel = panel.sort(KEY)
    disabled = disabled_reasons(wanted, panel, rule)
    enabled = [feature for feature in wanted if feature.name not in disabled]
    features = compute(panel, enabled, min_entities=rule.min_entities)
    coverage = features.select(pl.all().is_not_null().mean()).row(0, named=True)
    return features, {
        "feature_set_id": feature_set_id(enabled, rule),
        "engine_version": ENGINE_VERSION,
        "rule": rule.model_dump(mode="json"),
        "features": [feature.describe() | {"coverage": coverage[feature.name]} for feature in enabled],
        "disabled": [{"name": name, "reason": reason} for name, reason in disabled.items()],
    }


def feature_set_id(features: Sequence[Feature], rule: FeatureRule) -> str:
    """Sixteen hexadecimal digits that change with any definition, any parameter and the engine, but not with data."""
    content = {
        "engine": ENGINE_VERSION,
        "rule": rule.model_dump()
        | {"families": list(dict.fromkeys(rule.families)), "exclude": sorted(set(rule.exclude))},
        "features": [feature.describe() for feature in features],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _check_names(parameter: str, names: Collection[str], known: Collection[str]) -> None:
    unknown = sorted({*names} - {*known})
    if unknown:
        raise ConfigurationError(
            f"parameter {parameter} of the features",
            f"unknown name {', '.join(unknown)}",
            expected=f"names from {', '.join(sorted(known))}",
            found=", ".join(names),
            do="correct the name in the workload's parameters",
        )


def _check_panel(panel: pl.DataFrame) -> None:
    missing = [name for name in (*KEY, "close") if name not in panel.columns]
    if missing:
        raise DataError(
            "panel",
            f"lacks the column {', '.join(missing)}",
            expected=f"{', '.join(KEY)}, close and what the features read",
            found=", ".join(panel.columns),
            do="pass the panel that ingestion wrote",
        )
    if panel.is_empty():
        raise DataError("panel", "has no rows", expected="at least one bar", do="check what ingestion read and removed")
