"""Numbers of a verdict in words."""

from assay.market.verdict.findings import Facts

USUAL = "usual ones are .02 to .10"


def told(estimate: Facts, form: str) -> str:
    """A value with its interval, e.g. ``+0.050 [+0.010, +0.090]``."""
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:{form}} (no interval)"
    return f"{estimate['value']:{form}} [{estimate['low']:{form}}, {estimate['high']:{form}}]"


def side_of_zero(estimate: Facts) -> str:
    """Where an interval lies."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return "it has no interval"
    if low > 0.0:
        return "the interval lies above 0"
    return "the interval lies below 0" if high < 0.0 else "the interval includes 0"


def bars(count: int) -> str:
    """``bar``, or how many of them."""
    return "bar" if count == 1 else f"{count} bars"


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
