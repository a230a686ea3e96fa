"""From a panel to the features table and the catalogue that explains it."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

import polars as pl

from assay.market.errors import ConfigurationError, DataError
from assay.market.features.availability import disabled_reasons
from assay.market.features.compute import compute
from assay.market.features.feature import REGISTRY, Feature
from assay.market.features.registry import families, load_family
from assay.market.features.rule import FeatureRule
from assay.market.features.timeframes import bar_interval, frame_label, higher_feature, on_higher_bars
from assay.market.tables import KEY

ENGINE_VERSION = 2  # raise it whenever the same definition gives other values
MOST = 30  # names that an error lists; of more it gives those that are near

Higher = dict[str, tuple[timedelta, Feature]]


@dataclass(frozen=True)
class FeatureSet:
    """What a rule gives on a panel.

    Attributes:
        rule: What was asked for.
        enabled: Features to compute, in the order of the columns; those of higher bars last.
        disabled: Reason by name of those that the panel cannot provide.
    """

    rule: FeatureRule
    enabled: tuple[Feature, ...]
    disabled: Mapping[str, str]

    @property
    def id(self) -> str:
        """See `feature_set_id`."""
        return feature_set_id(self.enabled, self.rule)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the features table, without its key."""
        return tuple(feature.name for feature in self.enabled)

    def document(self, coverage: Iterable[float]) -> dict[str, object]:
        """The catalogue, ready for JSON.

        Args:
            coverage: Share of rows that have a value, per enabled feature.
        """
        features = zip(self.enabled, coverage, strict=True)
        return {
            "feature_set_id": self.id,
            "engine_version": ENGINE_VERSION,
            "rule": self.rule.model_dump(mode="json"),
            "features": [feature.describe() | {"coverage": share} for feature, share in features],
            "disabled": [{"name": name, "reason": reason} for name, reason in self.disabled.items()],
        }


def catalogue(rule: FeatureRule) -> list[Feature]:
    """The features of base bars that a rule asks for, in the order of the columns, whether or not a panel has them.

    Families come in the order of the rule, their features in the order of the family's file.

    Raises:
        ConfigurationError: The rule names a family or a feature that does not exist.
    """
    _check_names("parameter families of the features", rule.families, families())
    offered = [feature for family in dict.fromkeys(rule.families) for feature in load_family(family)]
    higher = _higher(rule)
    if not {*rule.exclude} <= {*(feature.name for feature in offered), *higher}:
        _check_names("parameter exclude of the features", rule.exclude, {*_every_name(), *higher})
    return [feature for feature in offered if feature.name not in rule.exclude]


def resolve(panel: pl.DataFrame, rule: FeatureRule) -> FeatureSet:
    """Decide which of the features that a rule asks for a panel can provide.

    Args:
        panel: As `checked` gives it.
        rule: What to compute.

    Raises:
        ConfigurationError: The rule names what does not exist, or a time frame that does not consist of whole bars.
    """
    own = catalogue(rule)
    bar = bar_interval(panel)
    disabled = disabled_reasons(own, panel, rule, bar=bar)
    enabled = [feature for feature in own if feature.name not in disabled]
    for name, (frame, feature) in _wanted_higher(rule):
        reasons = disabled_reasons([feature], panel, rule, bar=frame)
        if reasons:
            disabled[name] = reasons[feature.name]
        elif bar is None:
            disabled[name] = "no entity has two bars"
        elif frame <= bar:
            disabled[name] = f"the bars of the panel are as long as those of its time frame, {frame_label(frame)}"
        else:
            enabled.append(higher_feature(feature, frame, bar))
    return FeatureSet(rule, tuple(enabled), disabled)


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
        ConfigurationError: The rule names what does not exist, or a time frame that does not consist of whole bars.
        DataError: The panel has no rows, or lacks ``entity``, ``time`` or ``close``.
    """
    panel = checked(panel)
    wanted = resolve(panel, rule)
    features = recompute(panel, rule, wanted.names)
    coverage = features.select(pl.all().is_not_null().mean()).row(0)[len(KEY) :]
    return features, wanted.document(coverage)


def recompute(
    panel: pl.DataFrame, rule: FeatureRule, names: Sequence[str], *, since: datetime | None = None
) -> pl.DataFrame:
    """Compute a fixed list of features, whatever the panel would be found able to provide.

    Serving and the audit use it: which features there are was decided once, on the whole panel.

    Args:
        panel: One row per entity and bar, from the beginning of each entity's history.
        rule: The rule that offers the features.
        names: Features to compute, those of higher bars included, in the order of the columns.
        since: Rows before it are left out; the others have the same bits as without it.

    Returns:
        The features table, see `engineer`.

    Raises:
        ConfigurationError: The rule does not offer one of the names.
        DataError: The panel has no rows, or lacks ``entity``, ``time`` or ``close``.
    """
    own, higher = {feature.name: feature for feature in catalogue(rule)}, dict(_wanted_higher(rule))
    _check_names("features to compute", names, [*own, *higher])
    panel = checked(panel)
    features = [own[name] for name in names if name in own]
    table = compute(panel, features, min_entities=rule.min_entities, since=since)
    frames: dict[timedelta, list[Feature]] = {}
    for frame, feature in (higher[name] for name in names if name in higher):
        frames.setdefault(frame, []).append(feature)
    if frames:
        columns = on_higher_bars(panel, frames, min_entities=rule.min_entities, since=since)
        table = table.hstack(columns.drop(KEY))
    return table.select(*KEY, *names)


def feature_set_id(features: Sequence[Feature], rule: FeatureRule) -> str:
    """Sixteen hexadecimal digits that change with any definition, any parameter and the engine, but not with data."""
    content = {
        "engine": ENGINE_VERSION,
        "rule": rule.model_dump(mode="json")
        | {"families": list(dict.fromkeys(rule.families)), "exclude": sorted(set(rule.exclude))},
        "features": [feature.describe() for feature in features],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def checked(panel: pl.DataFrame) -> pl.DataFrame:
    """The panel sorted by entity and time, if features can be computed from it.

    Raises:
        DataError: The panel has no rows, or lacks ``entity``, ``time`` or ``close``.
    """
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
    return _in_order(panel)


def _in_order(panel: pl.DataFrame) -> pl.DataFrame:
    """The panel sorted by entity and time; finding out that it is takes less time than sorting it."""
    entity, time = (pl.col(name) for name in KEY)
    follows = (entity > entity.shift(1)) | ((entity == entity.shift(1)) & (time >= time.shift(1)))
    return panel if panel.select(follows.all()).item() else panel.sort(KEY)


def _higher(rule: FeatureRule) -> Higher:
    """Time frame and feature by column name, for everything under ``timeframes``."""
    wanted = {name for names in rule.timeframes.values() for name in names}
    if not wanted:
        return {}
    if not wanted <= {*REGISTRY}:
        _check_names("parameter timeframes of the features", wanted, _every_name())
    pairs = [(frame, REGISTRY[name]) for frame, names in rule.timeframes.items() for name in dict.fromkeys(names)]
    return {f"{feature.name}_{frame_label(frame)}": (frame, feature) for frame, feature in pairs}


def _every_name() -> Collection[str]:
    """Names of the features of all families, those that a rule does not offer included."""
    for family in families():
        load_family(family)
    return REGISTRY


def _wanted_higher(rule: FeatureRule) -> Iterator[tuple[str, tuple[timedelta, Feature]]]:
    return ((name, what) for name, what in _higher(rule).items() if name not in rule.exclude)


def _check_names(thing: str, names: Collection[str], known: Collection[str]) -> None:
    unknown = sorted({*names} - {*known})
    if unknown:
        near = {match for name in unknown for match in get_close_matches(name, known, n=3)}
        raise ConfigurationError(
            thing,
            f"unknown name {', '.join(unknown)}",
            expected=f"names from {', '.join(sorted(known))}" if len(known) <= MOST else f"one of {len(known)} names",
            found=f"{', '.join(unknown)}; near to {', '.join(sorted(near))}" if near else ", ".join(unknown),
            do="correct the name in the workload's parameters",
        )
