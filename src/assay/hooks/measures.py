"""What a run costs and how large its tables are."""

import resource
import sys
from collections.abc import Mapping
from typing import Any

from assay.hooks.evidence import is_parameter


def rows_of(datasets: Mapping[str, Any]) -> dict[str, int]:
    """Rows of every table and length of every list among the datasets; parameters and other kinds have none."""
    sized = {name: data for name, data in datasets.items() if isinstance(data, list) or hasattr(data, "columns")}
    return {name: len(data) for name, data in sized.items() if not is_parameter(name)}


def peak_memory() -> float:
    """Largest resident memory this process ever had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
