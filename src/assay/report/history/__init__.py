"""Several runs side by side: the index page over all of them, and the difference of two."""

from assay.report.history.difference import Part, difference_tables
from assay.report.history.index import build_comparison, build_index
from assay.report.history.record import Record, Scores

__all__ = ["Part", "Record", "Scores", "build_comparison", "build_index", "difference_tables"]
