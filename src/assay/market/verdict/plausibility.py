"""Whether something is too good to be true."""

from assay.market.verdict.findings import Case, Facts


def ic_limit(case: Case) -> float:
    """The largest IC that is believed."""
    return max(case.rule.max_plausible_ic, case.rule.ceiling.ic or 0.0)


def sharpe_limit(case: Case) -> float:
    """The largest net Sharpe ratio per year that is believed."""
    return max(case.rule.max_plausible_sharpe, case.rule.ceiling.sharpe or 0.0)


def implausible_ic(case: Case) -> bool:
    """Whether the primary's IC is beyond it, either sign, and not by chance."""
    return too_good(case.ic, ic_limit(case), known=case.rule.ceiling.ic is not None)


def implausible_sharpe(case: Case) -> bool:
    """Whether the primary's Sharpe ratio is above it, and not by chance; costs alone bring any loss."""
    gained = case.sharpe["value"] is not None and case.sharpe["value"] > 0.0
    return gained and too_good(case.sharpe, sharpe_limit(case), known=case.rule.ceiling.sharpe is not None)


def too_good(estimate: Facts, limit: float, *, known: bool) -> bool:
    """Whether an estimate is past a limit on either side, and its interval does not say that this may be chance.

    Args:
        estimate: Value and interval.
        limit: The largest size that is believed.
        known: Whether the limit is what is true at most, and not what is usual: estimates scatter around the truth, so
            the whole interval has to lie beyond it, while it is enough that it excludes 0 otherwise.
    """
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None or abs(value) <= limit:
        return False
    if low is None or high is None:
        return True
    believed = limit if known else 0.0
    return bool(low > believed or high < -believed)
