"""What cuts drawn by chance can see.

A cut sees a look-ahead if it falls between a row and what that row should not know. A leak of ``bars`` bars on a share
of the rows is seen by one random cut with probability ``share * bars`` while that is small, so ``n`` cuts miss it with
probability ``(1 - share * bars) ** n``.
"""

CONFIDENCE = 0.95


def miss_probability(share: float, cuts: int, *, bars: int = 1, times: int | None = None) -> float:
    """Probability that no cut falls inside a look-ahead.

    Args:
        share: Share of the times at which rows look ahead, chosen without regard to the cuts.
        cuts: Cuts at random times.
        bars: How far they look ahead; ``share * bars`` is small.
        times: All times there are, when no time was drawn twice; none is missed once all are drawn.
    """
    if times is None:
        return float((1 - min(share * bars, 1.0)) ** cuts)
    return float((1 - min(cuts * bars / times, 1.0)) ** (share * times))


def seen_share(cuts: int, *, bars: int = 1) -> float:
    """Smallest share of looking-ahead rows that so many random cuts see with 95 %; 1 without a cut."""
    return float(1 - (1 - CONFIDENCE) ** (1 / cuts)) / bars if cuts else 1.0
