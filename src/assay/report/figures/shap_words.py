"""What pictures of SHAP values share: units and short names."""

from collections.abc import Mapping

# What is explained, and the unit it is written in.
UNITS: Mapping[str, tuple[str, str]] = {
    "log-odds": ("log-odds of LONG against SHORT", ""),
    "probability": ("probability of LONG less that of SHORT", "share"),
    "return": ("forecast", "return"),
}


def cut(name: str, most: int) -> str:
    """Shorten a name in its middle: features of one kind differ at their ends."""
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"
