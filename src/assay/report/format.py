"""How numbers, intervals and times are written: true minus signs, fixed decimals, a dash for what is undefined."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeGuard

MISSING = "–"
NARROW = "\u202f"  # narrow no-break space: thousands, and before the percent sign
_PERCENT = {"share": 1, "return": 3}  # decimals
_DECIMALS = {"ratio": 2, "t": 2, "p": 3, "years": 2, "bp": 1, "multiple": 2}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WHOLE = {"count", "rows", "bars", "days", "trials"}


def number(value: object, unit: str = "") -> str:
    """Write one value in its unit.

    Args:
        value: A number; ``None``, NaN and infinities are undefined; text is returned as it is.
        unit: ``share`` becomes a percentage with one decimal, ``return`` one with three, ``ratio`` has two decimals,
            ``p`` three, ``rows`` and kin none, ``return squared`` is in scientific notation; anything else has four
            decimals.

    Returns:
        The text, with a true minus sign, or a dash when undefined.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not is_number(value):
        return MISSING
    return _written(float(value), unit)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number (booleans are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _written(value: float, unit: str) -> str:
    if unit in _PERCENT:
        return _signed(f"{100 * value:,.{_PERCENT[unit]}f}") + f"{NARROW}%"
    if unit == "return squared":
        return _scientific(value)
    decimals = 0 if unit in _WHOLE else _DECIMALS.get(unit, 4)
    return _signed(f"{value:,.{decimals}f}")


def _scientific(value: float) -> str:
    digits, power = f"{value:.2e}".split("e")
    return _signed(digits) + "·10" + str(int(power)).translate(_RAISED)


def _signed(text: str) -> str:
    if text.startswith("-"):
        text = text[1:] if float(text.replace(",", "")) == 0 else "\u2212" + text[1:]
    return text.replace(",", NARROW)


def difference(value: object, unit: str = "") -> str:
    """Write a difference with its sign always shown; differences of percentages are in points (``pp``)."""
    text = number(value, unit).replace(f"{NARROW}%", f"{NARROW}pp")
    return f"+{text}" if is_number(value) and value > 0 and re.search("[1-9]", text) else text


def interval(low: object, high: object, unit: str = "", *, points: bool = False) -> str:
    """Write an interval as ``[low, high]``; an empty string when either end is undefined.

    Args:
        low: Lower end.
        high: Upper end.
        unit: As for ``number``.
        points: Whether it is the interval of a difference: percentages become points (``pp``).
    """
    if not (is_number(low) and is_number(high)):
        return ""
    ends = (number(low, unit), number(high, unit))
    tail = f"{NARROW}%" if unit in _PERCENT else ""
    shown = tail.replace("%", "pp") if points else tail
    return f"[{ends[0].removesuffix(tail)}, {ends[1].removesuffix(tail)}]{shown}"


def quantity(value: object) -> str:
    """Write a free-form value of a manifest or parameter: whole numbers grouped, floats in four significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value is None else number(value) if isinstance(value, bool) else str(value)
    if not math.isfinite(value):
        return MISSING
    return _signed(f"{value:,}" if isinstance(value, int) else f"{value:.4g}")


def plain(text: object) -> str:
    """Write nested values in one line: ``{"delay": 1, "price": "close"}`` is ``delay 1, price close``."""
    if isinstance(text, Mapping):
        return ", ".join(f"{title(name)} {plain(value)}" for name, value in text.items())
    return quantity(text)


def opening(text: str) -> str:
    """Start a sentence: its first letter in upper case."""
    return text[:1].upper() + text[1:]


def day(iso: object) -> str:
    """Write the date of an ISO time; text that is no time is returned as it is, ``None`` as a dash."""
    return MISSING if iso is None else str(iso)[:10]


def moment(iso: object) -> str:
    """Write an ISO time to the minute, e.g. ``2014-03-05 21:00``; ``None`` becomes a dash."""
    return MISSING if iso is None else str(iso)[:16].replace("T", " ")


def when(iso: str) -> datetime:
    """Parse an ISO time.

    Raises:
        ValueError: The text is no ISO time.
    """
    return datetime.fromisoformat(iso)


_SPELLING = {
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "lstm": "LSTM",
    "mlp": "MLP",
    "ic": "IC",
    "shap": "SHAP",
    "vix": "VIX",
    "wti": "WTI",
}


def title(name: object) -> str:
    """Write an identifier as a reader would: ``random_forest`` is ``random forest``, ``xgboost`` is ``XGBoost``."""
    return re.sub(r"[A-Za-z0-9]+", lambda word: _SPELLING.get(word[0], word[0]), str(name).replace("_", " "))


def counted(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun: ``1 fold``, ``2 folds``.

    Args:
        count: How many.
        one: The noun for one of them.
        many: The noun for several; ``one`` with an s when empty.
    """
    return f"{quantity(count)} {one if count == 1 else many or f'{one}s'}"


def together(names: Iterable[str]) -> str:
    """Write several identifiers as titles in one phrase: ``XGBoost, LightGBM and ridge``."""
    *most, last = [title(name) for name in names]
    return f"{', '.join(most)} and {last}" if most else last


def reasons(found: Mapping[str, str]) -> list[str]:
    """Write one sentence per reason, such as ``MLP and LSTM: left out by the profile quick.``.

    Args:
        found: The reason per identifier; those that share one stand together.
    """
    shared: dict[str, list[str]] = {}
    for name, reason in found.items():
        shared.setdefault(reason, []).append(name)
    return [f"{opening(together(names))}: {prose(reason).rstrip('.')}." for reason, names in shared.items()]


def percent(value: float) -> str:
    """Write a level such as .95 as briefly as it goes: ``95 %``."""
    return f"{100 * value:g}{NARROW}%"


def prose(text: object) -> str:
    """Set prose made by a program: true minus signs, times to the minute, narrow spaces in thousands and before %."""
    said = re.sub(r"(?<![\w-])-(?=\.?\d)", "\u2212", str(text))
    said = re.sub(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(\.\d+)?)?(\+00:00|Z)", r"\1 \2", said)
    said = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", NARROW, said)
    return re.sub(r"(?<=\d) ?%", f"{NARROW}%", said)


def spelled(text: object, names: Iterable[str]) -> str:
    """Set prose as ``prose`` does, and write identifiers in it as titles.

    Args:
        text: The prose.
        names: Identifiers that may occur in it, such as model names.
    """
    said = prose(text)
    for name in sorted(names, key=lambda name: (-len(name), name)):
        said = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda found: title(found[0]), said)
    return said


def slug(name: object) -> str:
    """Turn any text into a part of an HTML id: lower case letters, digits and single hyphens."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in str(name).lower()).split()
    return "-".join(words) or "x"
