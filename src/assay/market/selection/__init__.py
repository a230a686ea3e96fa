"""Which features the models of a head read: chosen once per training part, shared by all of them."""

from assay.market.selection.choose import select
from assay.market.selection.document import Selection
from assay.market.selection.rule import SelectionRule, Task
from assay.market.selection.stability import stability

__all__ = ["Selection", "SelectionRule", "Task", "select", "stability"]
