"""Settings of the Kedro project."""

import os
from pathlib import Path

from assay.hooks.claims import Claims
from assay.hooks.display import Display
from assay.hooks.evidence import Code, Fingerprints
from assay.hooks.index import Index
from assay.hooks.manifest import Manifests
from assay.hooks.names import Names
from assay.hooks.receipts import Receipts

# Before xgboost and lightgbm are loaded: threads that wait for work sleep instead of burning the core of another job.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Before numpy is: its products here are small, and beside other jobs its threads cost ten times what they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_fingerprints = Fingerprints()

# Kedro calls the last hook first: names before anything is done, receipts before those that speak about them, the index
# of all runs when the manifest is closed.
HOOKS = (
    Display(),
    Index(),
    Manifests(_fingerprints),
    Receipts(_fingerprints, Code(Path(__file__).parent)),
    Claims(),
    Names(),
)

DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

# The base environment is enough to run; soft merging lets an environment change one number of a block.
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "base",
    "merge_strategy": {"parameters": "soft"},
}
