"""The leak audit: does any feature change when the future does?"""

from assay.market.audit.audit import Evidence, audit_features, gather
from assay.market.audit.document import admit
from assay.market.audit.fits import check_fit_scope
from assay.market.audit.rule import AuditRule

__all__ = ["AuditRule", "Evidence", "admit", "audit_features", "check_fit_scope", "gather"]
