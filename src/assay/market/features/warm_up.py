"""How many rows of an entity's history pass before a feature can be trusted."""

import math

FORGOTTEN = 1e-7  # weight of its seed at which a recursion counts as settled


def levels(window: int) -> int:
    """Warm-up of a window over ``window`` values of the panel."""
    return window - 1


def changes(window: int) -> int:
    """Warm-up of a window over ``window`` bar-to-bar changes, or of one change over ``window`` bars."""
    return window


def exponential(span: int) -> int:
    """Warm-up of an exponential average with weight 2 / (span + 1), seeded by a simple average of ``span`` values."""
    return span + settled(1 - 2 / (span + 1))


def wilder(period: int) -> int:
    """Warm-up of Wilder's average with weight 1 / period, seeded by a simple average of ``period`` changes."""
    return period + settled(1 - 1 / period)


def settled(decay: float, *, stages: int = 1) -> int:
    """Bars after which the seed of chained exponential averages weighs less than ``FORGOTTEN``.

    The weight that ``stages`` chained averages give to all values older than k bars is the upper tail of a negative
    binomial distribution: ``decay^k * sum over j < stages of C(k, j) * ((1 - decay) / decay)^j``.

    Args:
        decay: Weight that each average keeps from one bar to the next.
        stages: Averages of averages: 2 for an average of an average.
    """
    bars = 0
    while decay**bars * sum(math.comb(bars, j) * (1 / decay - 1) ** j for j in range(stages)) > FORGOTTEN:
        bars += 1
    return bars
