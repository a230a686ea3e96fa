"""What differs between markets. A workload is added here and nowhere else in the code."""

from assay.market.workload import Workload
from assay.workloads.crypto.workload import CRYPTO
from assay.workloads.equity.workload import EQUITY

WORKLOADS: tuple[Workload, ...] = (EQUITY, CRYPTO)
