"""Times on an axis: days since 1970 in UTC, labelled with as few words as possible."""

from typing import TYPE_CHECKING

from assay.report.format import when

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DAY = 86_400


def days(iso: object) -> float:
    """Turn an ISO time into days since 1970-01-01 UTC, as matplotlib counts them.

    Raises:
        ValueError: The text is no ISO time.
    """
    return when(str(iso)).timestamp() / _DAY


def time_ticks(panel: "Axes", count: int) -> None:
    """Label the time axis of a panel with at most about ``count`` ticks."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=3, maxticks=count)  # type: ignore[no-untyped-call]
    locator.intervald[dates.HOURLY] += [24]  # two days and a half: too few days, too many half days
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
