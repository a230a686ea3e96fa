"""Faulty rows and fields: taken out by rules decidable at the time of the row, and counted by cause."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pydantic import Field

from assay.market.errors import DataError
from assay.market.parameters import Parameters
from assay.market.tables import BARS, EVERYONE, KEY, OPTIONAL_BARS, RAW_TYPES, TIME, VOLUMES

RAW_BARS = tuple(name for name in BARS if name != "jump")
FEED_KEY = ("entity", "time", "date", "available_time")  # whichever of them a raw feed has
ROUNDING = 1e-9  # relative: an adjusted price may leave its range by the rounding of a division

Faults = Mapping[str, tuple[Sequence[str], pl.Expr]]  # cause: which fields become null, and when


class QualityRule(Parameters):
    """Limits of what is accepted.

    Attributes:
        max_bad_share: Share of rows that are removed or have a faulty field, past which the run stops.
        max_jump: Absolute log return into a bar above which the bar is flagged as an unexplained jump. The default
            is a move by half, which no broad index has made in a day.
    """

    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    max_jump: float = Field(default=math.log(1.5), gt=0)


@dataclass(frozen=True)
class Cleaned:
    """What is left of a raw table, what was taken out, and why.

    Attributes:
        bars: The accepted rows, sorted and unique. Of a feed: its facts, not stamped yet.
        quarantine: The removed rows as they came, sorted, with a ``reason`` and their ``source``.
        counts: Rows or fields by cause; a cause that did not occur is left out.
        rows_in: Rows of the raw table. Each was accepted, or is in quarantine, or was an equal ``duplicate`` or, in a
            feed, ``empty``.
    """

    bars: pl.DataFrame
    quarantine: pl.DataFrame
    counts: dict[str, int] = field(default_factory=dict)
    rows_in: int = 0

    @property
    def checks(self) -> dict[str, Any]:
        """Rows in and out and counts by cause, ready for JSON."""
        rows = {"rows_in": self.rows_in, "rows_out": len(self.bars), "quarantined": len(self.quarantine)}
        return rows | {"counts": self.counts}


def clean_bars(raw: pl.DataFrame, rule: QualityRule, *, source: str) -> Cleaned:
    """Sort bars, set faulty rows aside, null faulty fields and flag jumps; count all of it.

    A row goes to quarantine for a missing key, a close that is missing, not finite or not positive, or because it
    contradicts an earlier row of the same key in the file. A field becomes null if it is not finite, not positive
    (prices) or negative (volumes), or contradicts the others: high < low nulls both, a high below or a low above the
    close itself, an open outside [low, high] the open. Every rule looks at the row and at earlier rows only.

    Args:
        raw: One row per bar in any order: ``entity``, ``time`` (bar close, with a time zone), open, high, low, close,
            volume and optional volumes; other columns are left out.
        rule: Limits.
        source: Name of the data, in errors and in the quarantine.

    Returns:
        Bars (with ``jump``: the log return from the entity's previous accepted close exceeds the limit; False in its
        first row), quarantine and counts.

    Raises:
        DataError: No rows, a missing column, a wrong type, times without a zone, or too many faulty rows.
    """
    table = _typed(raw, RAW_BARS, optional=tuple(OPTIONAL_BARS), source=source)
    accepted, quarantine, counts = _set_aside(table, KEY, _price_faults("close"))
    counts |= {f"{name}_missing": table[name].null_count() for name in table.columns if name not in (*KEY, "close")}
    bars, faults = _null_faults(accepted, _bar_faults(table.columns))
    _hold_to_limit(pl.concat([quarantine, _faulty(bars)], how="diagonal"), rule, rows=len(raw), source=source)
    move = pl.col("close").log().diff().over("entity").abs()
    bars = bars.with_columns(jump=(move > rule.max_jump).fill_null(value=False))
    counts |= faults | {"jump": int(bars["jump"].sum())}
    return Cleaned(bars.drop("reason"), _from(quarantine, source), _occurred(counts), len(raw))


def clean_feed(raw: pl.DataFrame, rule: QualityRule, *, source: str) -> Cleaned:
    """Sort the facts of a feed, set faulty rows aside and null values that are not finite; count all of it.

    Args:
        raw: ``time`` (with a time zone) or ``date``, value columns (numbers), optionally ``entity`` and
            ``available_time``; two rows that differ in ``available_time`` are revisions and both stay. No rows are
            fine: an optional feed that the user does not have.
        rule: Limits.
        source: Name of the data, in errors and in the quarantine.

    Returns:
        Facts sorted by key; rows without any value (holidays) are dropped and counted as ``empty``.

    Raises:
        DataError: A wrong type, times without a zone, or too many faulty rows.
    """
    raw = raw if "entity" in raw.columns else raw.with_columns(entity=pl.lit(EVERYONE))
    if raw.is_empty():
        return Cleaned(raw, _from(raw.with_columns(reason=pl.lit(None, pl.String)), source))
    key = [name for name in FEED_KEY if name in raw.columns]
    values = [name for name in raw.columns if name not in key]
    table = _typed(raw, [*key, *values], optional=(), source=source)
    accepted, quarantine, counts = _set_aside(table, key, {})
    facts, faults = _null_faults(accepted, [{f"{v}_not_finite": ([v], ~pl.col(v).is_finite()) for v in values}])
    _hold_to_limit(pl.concat([quarantine, _faulty(facts)], how="diagonal"), rule, rows=len(raw), source=source)
    told = facts.drop("reason").filter(pl.any_horizontal(pl.col(values).is_not_null()))
    counts |= faults | {"empty": len(facts) - len(told)}
    return Cleaned(told, _from(quarantine, source), _occurred(counts), len(raw))


def stack_quarantine(*removed: pl.DataFrame) -> pl.DataFrame:
    """All rows that the checks took out, the tables one below the other.

    Args:
        removed: ``Cleaned.quarantine`` of the bars, then of each feed.

    Returns:
        The columns of all of them, null where a table has no such column.
    """
    return pl.concat(removed, how="diagonal")


def stale_opens(bars: pl.DataFrame, *, tolerance_bp: float = 1.0) -> float:
    """Share of bars that open where the previous bar of the entity closed, so that the open is hardly a price.

    Args:
        bars: Sorted bars.
        tolerance_bp: Largest difference, in basis points of the previous close, that counts as equal.

    Returns:
        Share among the bars with an open and a previous close; 0 without such bars.
    """
    gap = pl.col("open") / pl.col("close").shift(1).over("entity") - 1
    share = bars.select((gap.abs() <= tolerance_bp * 1e-4).mean()).item()
    return float(share or 0.0)


def summarise(panel: pl.DataFrame, checks: Mapping[str, Mapping[str, Any]], notes: Sequence[str]) -> dict[str, Any]:
    """What came in, what was taken out and how well the feeds cover the bars.

    Args:
        panel: Bars with joined feeds.
        checks: ``Cleaned.checks`` of the bars, under ``bars``, and of each feed, under its name.
        notes: What a reader has to know about these data.

    Returns:
        JSON-ready: the checks by name, those of feeds with ``coverage`` (share of bars with a fact) and the hours from
        event to decision; ``entities`` (a list of entity, first, last, rows) and ``notes``.
    """
    spans = panel.group_by("entity").agg(first=pl.col("time").min(), last=pl.col("time").max(), rows=pl.len())
    spans = spans.sort("entity").with_columns(pl.col("first", "last").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    found = {name: {**check, **_coverage(panel, name)} for name, check in checks.items()}
    return {**found, "entities": spans.to_dicts(), "notes": list(notes)}


def _coverage(panel: pl.DataFrame, feed: str) -> dict[str, Any]:
    """Coverage and ages of a joined feed; nothing for the bars themselves and for an absent feed."""
    if f"{feed}_age" not in panel.columns:
        return {}
    ages = panel[f"{feed}_age"].drop_nulls()
    covered = panel.filter(pl.col(f"{feed}_age").is_not_null())["entity"].n_unique()
    share = {"coverage": len(ages) / len(panel), "entities_covered": covered}
    return share | {"age_hours": {"median": ages.median(), "max": ages.max()}}


def _typed(raw: pl.DataFrame, required: Sequence[str], *, optional: Sequence[str], source: str) -> pl.DataFrame:
    """The known columns of a raw table in their types: text, UTC times, dates, Float64."""
    if raw.is_empty():
        raise DataError(source, "has no rows", expected="at least one", do="check the file and any filter before it")
    missing = [name for name in required if name not in raw.columns]
    if missing:
        raise DataError(source, f"no column {', '.join(missing)}", expected=list(required), found=raw.columns)
    present = [name for name in (*required, *optional) if name in raw.columns]
    return raw.select(_as_declared(raw[name], source) for name in present)


def _as_declared(column: pl.Series, source: str) -> pl.Series:
    wanted = RAW_TYPES.get(column.name, pl.Float64())
    if column.dtype == wanted or column.dtype == pl.Null or (wanted == pl.Float64 and column.dtype.is_numeric()):
        return column.cast(wanted)
    if wanted != TIME or not isinstance(column.dtype, pl.Datetime):
        expected, do = str(wanted), None
    elif column.dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(TIME)
    else:
        expected, do = "times with a time zone", "say where the data are read in which zone they are (timezone: UTC)"
    found = f"{column.dtype}, e.g. {column[0]!r}"
    raise DataError(f"{source}, column '{column.name}'", "wrong type", expected=expected, found=found, do=do)


def _set_aside(
    table: pl.DataFrame, key: Sequence[str], faults: Mapping[str, pl.Expr]
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Accepted and removed rows, sorted, with ``reason``; and counts, also of the equal duplicates that vanish."""
    stamp = pl.col("time" if "time" in key else "date")
    unsorted = table.select((stamp < stamp.shift(1).over("entity")).sum()).item()
    causes = {f"{name}_missing": pl.col(name).is_null() for name in key} | dict(faults)
    judged = table.sort(key, maintain_order=True).unique(keep="first", maintain_order=True)
    judged = judged.with_columns(reason=_first_cause(causes))
    fine = pl.col("reason").is_null()
    repeated = fine & ~pl.struct(*key, fine.alias("fine")).is_first_distinct()
    judged = judged.with_columns(reason=pl.when(repeated).then(pl.lit("conflicting_duplicate")).otherwise("reason"))
    removed = judged.filter(~fine)
    counts = {"unsorted": unsorted, "duplicate": len(table) - len(judged)}
    return judged.filter(fine), removed, counts | dict(removed["reason"].value_counts().iter_rows())


def _from(removed: pl.DataFrame, source: str) -> pl.DataFrame:
    """Removed rows with the name of their table, after the reason."""
    key = [name for name in FEED_KEY if name in removed.columns]
    return removed.select(*key, "reason", pl.lit(source).alias("source"), pl.exclude(*key, "reason"))


def _first_cause(causes: Mapping[str, pl.Expr]) -> pl.Expr:
    return pl.coalesce(
        *(pl.when(found).then(pl.lit(cause)) for cause, found in causes.items()), pl.lit(None, pl.String)
    )


def _price_faults(name: str) -> dict[str, pl.Expr]:
    price, finite = pl.col(name), pl.col(name).is_finite()
    causes = {"missing": price.is_null(), "not_finite": ~finite, "not_positive": finite & (price <= 0)}
    return {f"{name}_{cause}": found for cause, found in causes.items()}


def _bar_faults(columns: Sequence[str]) -> list[Faults]:
    """Passes of field rules; a later pass sees what the earlier ones have nulled."""
    single: dict[str, tuple[Sequence[str], pl.Expr]] = {}
    for name in ("open", "high", "low"):
        single |= {cause: ([name], found) for cause, found in _price_faults(name).items() if "missing" not in cause}
    for name in (volume for volume in VOLUMES if volume in columns):
        finite = pl.col(name).is_finite()
        single[f"{name}_not_finite"] = ([name], ~finite)
        single[f"{name}_negative"] = ([name], finite & (pl.col(name) < 0))
    above, below = 1 + ROUNDING, 1 - ROUNDING
    outside = (pl.col("open") > pl.col("high") * above) | (pl.col("open") < pl.col("low") * below)
    return [
        single,
        {"high_below_low": (["high", "low"], pl.col("high") < pl.col("low"))},
        {
            "high_below_close": (["high"], pl.col("high") < pl.col("close") * below),
            "low_above_close": (["low"], pl.col("low") > pl.col("close") * above),
        },
        {"open_outside_range": (["open"], outside)},
    ]


def _null_faults(frame: pl.DataFrame, passes: Sequence[Faults]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Null the faulty fields; ``reason`` holds the first cause of each row; and counts by cause."""
    counts: dict[str, int] = {}
    for faults in passes:
        found = {cause: when.fill_null(value=False) for cause, (_, when) in faults.items()}
        counts |= frame.select(when.sum().alias(cause) for cause, when in found.items()).row(0, named=True)
        fields = sorted({name for names, _ in faults.values() for name in names})
        nulled = [
            pl.when(pl.any_horizontal(found[cause] for cause, (names, _) in faults.items() if name in names))
            .then(None)
            .otherwise(name)
            .alias(name)
            for name in fields
        ]
        frame = frame.with_columns(pl.coalesce("reason", _first_cause(found)).alias("reason"), *nulled)
    return frame, counts


def _faulty(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("reason").is_not_null())


def _hold_to_limit(bad: pl.DataFrame, rule: QualityRule, *, rows: int, source: str) -> None:
    if len(bad) <= rule.max_bad_share * rows:
        return
    stamp = "time" if "time" in bad.columns else "date"
    causes = ", ".join(f"{cause} {n}" for cause, n in bad["reason"].value_counts(sort=True).iter_rows())
    examples = "; ".join(
        f"{e} {t} {r}" for e, t, r in bad.sort(stamp).head(3).select("entity", stamp, "reason").iter_rows()
    )
    raise DataError(
        source,
        f"{len(bad)} of {rows} rows are faulty ({len(bad) / rows:.1%})",
        expected=f"at most {rule.max_bad_share:.1%} (max_bad_share)",
        found=f"{causes}; first rows: {examples}",
        do="look at these rows in the source; raise max_bad_share only if you trust the others",
    )


def _occurred(counts: Mapping[str, int]) -> dict[str, int]:
    return {cause: n for cause, n in sorted(counts.items()) if n}
