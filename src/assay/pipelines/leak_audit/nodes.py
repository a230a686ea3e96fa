"""Nodes of the stage ``leak_audit``."""

from functools import partial
from typing import Any

from assay.console import track
from assay.market.audit import AuditRule, audit_features, gather
from assay.market.features import FeatureRule
from assay.market.features.engine import recompute
from assay.market.workload import Workload

Document = dict[str, Any]


def audit(params: FeatureRule, rule: AuditRule, *, workload: Workload, **known: Any) -> Document:  # noqa: ANN401
    """Does any feature of a workload change when the future does?"""
    evidence = gather(known, workload)
    function = partial(recompute, rule=params, names=tuple(evidence.declared("name")))
    return audit_features(known["panel"], function, rule=rule, evidence=evidence, track=track)
