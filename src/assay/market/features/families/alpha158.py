"""The 158 factors of Qlib's Alpha158. NaN rules and windows as in `assay.market.features.alpha158`.

Inside the engine a rolling factor starts when its window is full. Without a column ``vwap`` the factor VWAP0 is
disabled: the typical price that `alpha158` puts in its place says what HIGH0 and LOW0 say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from assay.market.features.alpha import BARS, LENGTHS, NAMES, factors
from assay.market.features.feature import Batch, Expression, Feature, register
from assay.market.features.warm_up import changes, levels

KERNEL = Batch(factors, BARS)
VWAP = Expression(pl.col("vwap") / pl.col("close"))
RATIO, SHARE, SIGNED = "ratio", "0 to 1", "-1 to 1"


@dataclass(frozen=True)
class _Formula:
    """A factor or a rolling family of factors; ``{n}`` in the words is the window."""

    words: str
    unit: str
    sources: tuple[str, ...]
    of_changes: bool = False


CANDLE = ("close", "high", "low", "open")
SIMPLE = {
    "KMID": _Formula("Close less open, over open", "simple return", ("close", "open")),
    "KLEN": _Formula("High less low, over open", RATIO, ("high", "low", "open")),
    "KMID2": _Formula("Close less open, over high less low", SIGNED, CANDLE),
    "KUP": _Formula("High less the higher of open and close, over open", RATIO, ("close", "high", "open")),
    "KUP2": _Formula("High less the higher of open and close, over high less low", SHARE, CANDLE),
    "KLOW": _Formula("The lower of open and close less low, over open", RATIO, ("close", "low", "open")),
    "KLOW2": _Formula("The lower of open and close less low, over high less low", SHARE, CANDLE),
    "KSFT": _Formula("Twice the close less high and low, over open", RATIO, CANDLE),
    "KSFT2": _Formula("Twice the close less high and low, over high less low", SIGNED, ("close", "high", "low")),
    "OPEN0": _Formula("Open over close", RATIO, ("close", "open")),
    "HIGH0": _Formula("High over close", RATIO, ("close", "high")),
    "LOW0": _Formula("Low over close", RATIO, ("close", "low")),
    "VWAP0": _Formula("Volume-weighted average price over close", RATIO, ("close", "vwap")),
}
C, HC, LC, HLC, CV, V = (
    *(("close",), ("close", "high"), ("close", "low"), ("close", "high", "low")),
    *(("close", "volume"), ("volume",)),
)
ROLLING = {
    "ROC": _Formula("Close {n} bars ago over close", RATIO, C, of_changes=True),
    "MA": _Formula("Mean close of {n} bars over close", RATIO, C),
    "STD": _Formula("Standard deviation of the close over {n} bars (n - 1), over close", RATIO, C),
    "BETA": _Formula("Least-squares slope of the close per bar over {n} bars, over close", "ratio per bar", C),
    "RSQR": _Formula("R squared of the least-squares line through the close of {n} bars", SHARE, C),
    "RESI": _Formula("Close less the end of the least-squares line through {n} closes, over close", RATIO, C),
    "MAX": _Formula("Highest high of {n} bars over close", RATIO, HC),
    "MIN": _Formula("Lowest low of {n} bars over close", RATIO, LC),
    "QTLU": _Formula("80 % quantile of the close over {n} bars, over close", RATIO, C),
    "QTLD": _Formula("20 % quantile of the close over {n} bars, over close", RATIO, C),
    "RANK": _Formula("Rank of the close among those of {n} bars, over their number; ties share the mean", SHARE, C),
    "RSV": _Formula("Close less lowest low, over highest high less lowest low of {n} bars", SHARE, HLC),
    "IMAX": _Formula("Position of the highest high among {n} bars, from 1 for the oldest, over {n}", SHARE, ("high",)),
    "IMIN": _Formula("Position of the lowest low among {n} bars, from 1 for the oldest, over {n}", SHARE, ("low",)),
    "IMXD": _Formula(
        "Position of the highest high less that of the lowest low of {n} bars, over {n}", SIGNED, ("high", "low")
    ),
    "CORR": _Formula("Correlation of close and ln(volume + 1) over {n} bars", SIGNED, CV),
    "CORD": _Formula(
        "Correlation of close over previous close and ln(volume over previous volume + 1) over {n} bars",
        SIGNED,
        CV,
        of_changes=True,
    ),
    "CNTP": _Formula("Share of {n} bars with a close above the previous one", SHARE, C, of_changes=True),
    "CNTN": _Formula("Share of {n} bars with a close below the previous one", SHARE, C, of_changes=True),
    "CNTD": _Formula("Share of rising less share of falling closes over {n} bars", SIGNED, C, of_changes=True),
    "SUMP": _Formula(
        "Sum of rises of the close over the sum of its absolute changes, {n} bars", SHARE, C, of_changes=True
    ),
    "SUMN": _Formula(
        "Sum of falls of the close over the sum of its absolute changes, {n} bars", SHARE, C, of_changes=True
    ),
    "SUMD": _Formula(
        "Rises less falls of the close over the sum of its absolute changes, {n} bars", SIGNED, C, of_changes=True
    ),
    "VMA": _Formula("Mean volume of {n} bars over volume", RATIO, V),
    "VSTD": _Formula("Standard deviation of the volume over {n} bars (n - 1), over volume", RATIO, V),
    "WVMA": _Formula(
        "Standard deviation over mean, {n} bars, of the absolute simple return times volume", RATIO, CV, of_changes=True
    ),
    "VSUMP": _Formula(
        "Sum of rises of the volume over the sum of its absolute changes, {n} bars", SHARE, V, of_changes=True
    ),
    "VSUMN": _Formula(
        "Sum of falls of the volume over the sum of its absolute changes, {n} bars", SHARE, V, of_changes=True
    ),
    "VSUMD": _Formula(
        "Rises less falls of the volume over the sum of its absolute changes, {n} bars", SIGNED, V, of_changes=True
    ),
}


def _formulas() -> Iterator[tuple[str, _Formula, int]]:
    for name, formula in SIMPLE.items():
        yield name, formula, 1
    for family, formula in ROLLING.items():
        for length in LENGTHS:
            yield f"{family}{length}", formula, length


def _feature(name: str, formula: _Formula, length: int) -> Feature:
    return Feature(
        name=name,
        family="alpha158",
        definition=formula.words.format(n=length),
        window=length,
        unit=formula.unit,
        warm_up=(changes if formula.of_changes else levels)(length),
        sources=formula.sources,
        reference="Alpha158 (Qlib)",
        intraday=False,
        compute=VWAP if name == "VWAP0" else KERNEL,
    )


_FEATURES = {name: _feature(name, formula, length) for name, formula, length in _formulas()}
for _name in NAMES:
    register(_FEATURES[_name])
