"""When a number was known: session closes, bar closes, and feeds joined backward on what was available."""

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from assay.market.errors import ConfigurationError, DataError
from assay.market.parameters import Parameters
from assay.market.tables import EVERYONE, FEED, KEY, TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

REGULAR = 0.9  # share of the spacings that must agree before a bar length is inferred from them


class FeedRule(Parameters):
    """When a fact of a feed happened and when it became known.

    Attributes:
        stamp: What the raw ``time`` means: start or end of the period the fact describes, or its publication.
        interval: Length of that period; needed for ``event_start``, which is stamped before anything was known.
        latency: Delay from the end of the event (or its publication) until it can be used. None: unknown; one bar
            is assumed, and a fact that becomes available exactly at a decision is not yet used for it.
        latency_sessions: For daily values with a ``date``: known from the open of the n-th later session.
        latency_business_days: For daily values with a ``date``: published n business days later (weekdays that are
            no US federal holiday), known from the first session open on or after that day.
        calendar: Exchange calendar that ``date`` and the sessions belong to.
        max_age: A fact older than this at the decision is treated as absent. None: no limit.
    """

    stamp: Literal["event_start", "event_end", "published"] = "event_end"
    interval: timedelta | None = Field(default=None, gt=timedelta(0))
    latency: timedelta | None = Field(default=None, ge=timedelta(0))
    latency_sessions: int | None = Field(default=None, ge=1)
    latency_business_days: int | None = Field(default=None, ge=1)
    calendar: str = "XNYS"
    max_age: timedelta | None = Field(default=None, gt=timedelta(0))

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.stamp == "event_start" and self.interval is None:
            raise ValueError("stamp: event_start needs an interval, or a value would be used before its period ended")
        if sum(x is not None for x in (self.latency, self.latency_sessions, self.latency_business_days)) > 1:
            raise ValueError("give only one of latency, latency_sessions, latency_business_days")
        return self

    @property
    def daily(self) -> bool:
        """Whether the latency counts days of a calendar instead of a span of time."""
        return self.latency_sessions is not None or self.latency_business_days is not None

    @property
    def ties(self) -> bool:
        """Whether a fact that becomes available exactly at a decision is used for it: only if latency is declared."""
        return self.latency is not None or self.daily


def session_closes(dates: pl.Series, calendar: str = "XNYS") -> pl.Series:
    """Close of each trading session, half days included.

    Args:
        dates: Session dates (``Date``) in the exchange's local time.
        calendar: Name of an exchange calendar, e.g. ``XNYS`` (New York).

    Returns:
        Closing times in UTC, same length and order; null where the date is null.

    Raises:
        DataError: A date on which the exchange did not open.
    """
    if dates.drop_nulls().is_empty():
        return pl.Series(dates.name, [None] * len(dates), dtype=TIME)
    schedule = _schedule(_calendar(dates, calendar))
    closes = dates.alias("session").to_frame().join(schedule, on="session", how="left", maintain_order="left")
    strangers = closes.filter(pl.col("session").is_not_null() & pl.col("close").is_null())["session"].unique().sort()
    if len(strangers):
        raise DataError(
            f"column '{dates.name}'",
            f"{len(strangers)} dates are no sessions of {calendar}",
            expected=f"dates on which {calendar} opened",
            found=", ".join(str(day) for day in strangers.head(3)),
            do="remove these rows, or name the calendar of your exchange",
        )
    return closes["close"].alias(dates.name)


def close_times(open_times: pl.Series, interval: timedelta) -> pl.Series:
    """Time at which a bar is complete and can be acted on: its open time plus its length.

    Args:
        open_times: Start of each bar (UTC).
        interval: Length of a bar.

    Returns:
        Closing times (UTC), null where the open time is null.
    """
    return (open_times + interval).cast(TIME)


def bar_interval(bars: pl.DataFrame, declared: timedelta | None = None) -> timedelta:
    """Length of a bar: as declared, or the modal spacing of ``time`` within an entity.

    An inferred length must be the same for all entities and fit at least 90 % of the spacings: in a table that mixes
    lengths, the longer bars would be taken as complete too early and show the future. For the same reason a declared
    length must not be shorter than the modal spacing of any entity.

    Args:
        bars: Table with ``entity`` and ``time`` in any order, duplicates allowed.
        declared: Length given by the user.

    Returns:
        The length of a bar.

    Raises:
        DataError: No entity has two bars, several lengths, an irregular spacing, or a declared length that is too
            short.
    """
    spacing = bars.select(KEY).drop_nulls().unique().sort(KEY)
    spacing = spacing.select("entity", gap=pl.col("time").diff().over("entity")).drop_nulls()
    modes = spacing.group_by("entity").agg(pl.col("gap").mode().min()).sort("entity")
    if declared is not None:
        return _long_enough(declared, modes)
    lengths = modes["gap"].unique()
    if len(lengths) != 1 or spacing.filter(pl.col("gap") == lengths[0]).height < REGULAR * len(spacing):
        commonest = spacing["gap"].value_counts(sort=True).sort("count", "gap", descending=[True, False]).head(3)
        raise DataError(
            "bars",
            "the length of a bar cannot be inferred",
            expected=f"one spacing of times that fits at least {REGULAR:.0%} of the bars of every entity",
            found=", ".join(f"{gap} between {n} pairs" for gap, n in commonest.iter_rows())
            or "no entity with two bars",
            do="keep bars of one length in the files that are read, or declare the longest as 'interval'",
        )
    length: timedelta = lengths[0]
    return length


def _long_enough(declared: timedelta, modes: pl.DataFrame) -> timedelta:
    longer = modes.filter(pl.col("gap") > declared)
    if len(longer):
        raise DataError(
            "bars, declared 'interval'",
            "is shorter than the bars are apart: a longer bar would be read before it was complete",
            expected="at least the usual spacing of every entity",
            found=f"{declared} declared; " + ", ".join(f"{entity} {gap}" for entity, gap in longer.head(3).iter_rows()),
            do="declare the length of the longest bars, or leave it out",
        )
    return declared


def stamp_feed(frame: pl.DataFrame, rule: FeedRule, *, bar: timedelta) -> pl.DataFrame:
    """Date each fact twice: when it happened and when it became known.

    Args:
        frame: Raw feed without null times: ``time`` (UTC), or ``date`` for daily values; value columns; optionally
            ``entity`` (without it the feed is market-wide) and ``available_time`` (kept: the source recorded it).
        rule: What ``time`` means, and the latency.
        bar: Length of a decision bar, assumed as the latency where that is unknown.

    Returns:
        Feed: ``entity, event_time, available_time``, values; sorted by these three. A daily value happens at the
        regular closing time of its day.

    Raises:
        DataError: The latency counts days and the table has no ``date``, or spans and it has no ``time``.
    """
    column = "date" if rule.daily else "time"
    if column not in frame.columns:
        raise DataError("feed", f"no column '{column}'", expected="it, for the declared latency", found=frame.columns)
    event, available = _daily_times(frame["date"], rule) if rule.daily else _span_times(frame["time"], rule, bar)
    if "entity" not in frame.columns:
        frame = frame.with_columns(entity=pl.lit(EVERYONE))
    if "available_time" not in frame.columns:
        frame = frame.with_columns(available_time=available)
    frame = frame.with_columns(event_time=event)
    return frame.select(*FEED, pl.exclude(*FEED, column)).sort(*FEED, maintain_order=True)


def join_feeds(bars: pl.DataFrame, feeds: Mapping[str, pl.DataFrame], rules: Mapping[str, FeedRule]) -> pl.DataFrame:
    """Join to every bar the newest fact of each feed that was available at its close.

    The newest fact is the one with the latest ``event_time``, in its latest revision known by then: a late revision
    of an older event never displaces a newer event.

    Args:
        bars: One row per entity and ``time`` (bar close, UTC).
        feeds: Feeds by name, as from ``stamp_feed``. Entity ``*`` joins to all entities. A feed without rows adds
            no columns.
        rules: Rule of each feed: ties and ``max_age``.

    Returns:
        Panel: the bars, sorted, with ``<feed>_<value>`` and ``<feed>_age`` (hours from the event to the decision);
        null before the first available fact and where it is older than ``max_age``.

    Raises:
        DataError: A feed holds market-wide facts and facts of single entities, or only entities without bars.
    """
    panel = bars.sort(KEY)
    for name, feed in feeds.items():
        if len(feed):
            panel = _with_feed(panel, feed, name=name, rule=rules[name])
    return panel


def _with_feed(panel: pl.DataFrame, feed: pl.DataFrame, *, name: str, rule: FeedRule) -> pl.DataFrame:
    by = [] if _market_wide(feed, name) else ["entity"]
    if by:
        _require_common(panel["entity"], feed["entity"], name)
    decisions = panel.select(*by, "time").unique().sort(*by, "time")
    joined = decisions.join_asof(
        _newest_known(feed).select(pl.all() if by else pl.exclude("entity")),
        left_on="time",
        right_on="available_time",
        by=by or None,
        allow_exact_matches=rule.ties,
        check_sortedness=False,
    )
    age = pl.col("time") - pl.col("event_time")
    usable = pl.lit(value=True) if rule.max_age is None else age <= rule.max_age
    facts = [*(value for value in feed.columns if value not in FEED), "age"]
    joined = joined.with_columns(age=age / timedelta(hours=1))
    joined = joined.select(*by, "time", *(pl.when(usable).then(fact).alias(f"{name}_{fact}") for fact in facts))
    return panel.join(joined, on=[*by, "time"], how="left", maintain_order="left")


def _market_wide(feed: pl.DataFrame, name: str) -> bool:
    entities = feed["entity"].unique().sort().to_list()
    if EVERYONE in entities and len(entities) > 1:
        raise DataError(
            f"feed '{name}'",
            "mixes market-wide facts and facts of single entities",
            expected=f"entity '{EVERYONE}' in all rows, or in none",
            found=entities[:3],
            do="split it into two feeds",
        )
    return entities == [EVERYONE]


def _require_common(wanted: pl.Series, told: pl.Series, name: str) -> None:
    here, there = wanted.unique().sort(), told.unique().sort()
    if not here.is_in(there.implode()).any():
        raise DataError(
            f"feed '{name}'",
            "is about none of the entities that have bars",
            expected=f"some of {', '.join(here.head(3))}",
            found=", ".join(there.head(3)),
            do="write the symbols in the same way in all files, or leave this feed out",
        )


def _newest_known(feed: pl.DataFrame) -> pl.DataFrame:
    """Drop what was outdated when it became available; one row per entity and availability."""
    arrivals = feed.sort("entity", "available_time", "event_time", maintain_order=True)
    newest = pl.col("event_time") == pl.col("event_time").cum_max().over("entity")
    return arrivals.filter(newest).unique(["entity", "available_time"], keep="last", maintain_order=True)


def _span_times(times: pl.Series, rule: FeedRule, bar: timedelta) -> tuple[pl.Series, pl.Series]:
    period = rule.interval if rule.stamp == "event_start" and rule.interval else timedelta(0)
    latency = bar if rule.latency is None else rule.latency
    return (times + period).cast(TIME), (times + period + latency).cast(TIME)


def _daily_times(days: pl.Series, rule: FeedRule) -> tuple[pl.Series, pl.Series]:
    calendar = _calendar(days, rule.calendar, days_ahead=3 * (rule.latency_sessions or rule.latency_business_days or 0))
    local = days.dt.combine(calendar.close_times[-1][1]).dt.replace_time_zone(str(calendar.tz))
    schedule, dates = _schedule(calendar), days.to_numpy()
    if rule.latency_sessions is not None:
        row = np.searchsorted(schedule["session"].to_numpy(), dates, side="right") + rule.latency_sessions - 1
    else:
        published = _business_days_later(dates, rule.latency_business_days or 0)
        row = np.searchsorted(schedule["session"].to_numpy(), published, side="left")
    return local.dt.convert_time_zone("UTC").cast(TIME), schedule["open"][row]


def _business_days_later(dates: "NDArray[np.datetime64]", days: int) -> "NDArray[np.datetime64]":
    from pandas.tseries.holiday import USFederalHolidayCalendar

    holidays = USFederalHolidayCalendar().holidays(str(dates.min()), str(dates.max() + 3 * days + 10))
    return np.busday_offset(dates, days, roll="forward", holidays=holidays.to_numpy().astype("datetime64[D]"))


def _calendar(days: pl.Series, name: str, *, days_ahead: int = 0) -> Any:  # noqa: ANN401 (untyped library)
    """The exchange calendar around the given days."""
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    span = pl.select(
        first=pl.lit(days.min()) - timedelta(days=10), last=pl.lit(days.max()) + timedelta(10 + days_ahead)
    )
    first, last = span.row(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library still uses calls that pandas deprecates
        try:
            return exchange_calendars.get_calendar(name, start=str(first), end=str(last))
        except InvalidCalendarName as error:
            raise ConfigurationError(f"calendar '{name}'", "unknown", do="use a name such as XNYS or XLON") from error


def _schedule(calendar: Any) -> pl.DataFrame:  # noqa: ANN401 (untyped library)
    """``session`` (date), ``open`` and ``close`` (UTC) of every session of a calendar."""
    nanos = {"session": calendar.sessions_nanos, "open": calendar.opens_nanos, "close": calendar.closes_nanos}
    times = pl.DataFrame(nanos).cast(pl.Datetime("ns", "UTC")).cast(TIME)
    return times.with_columns(pl.col("session").dt.date())
