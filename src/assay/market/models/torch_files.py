"""A network as one file of plain arrays: no pickle, and the same bytes for the same network."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.market.errors import BundleError
from assay.market.models.archive import EPOCH

Arrays = Mapping[str, npt.NDArray[Any]]
ABOUT = "about.json"


def pack(arrays: Arrays, about: Mapping[str, Any]) -> bytes:
    """An ``.npz`` archive, which numpy opens too, with a document beside the arrays.

    Args:
        arrays: By name.
        about: What else is to be kept, ready for JSON.
    """
    entries = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    entries[ABOUT] = json.dumps(about, sort_keys=True, allow_nan=False).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), entries[name])
    return out.getvalue()


def unpack(content: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """What `pack` was given.

    Raises:
        BundleError: The file is damaged, or is no such archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            about = json.loads(archive.read(ABOUT))
            names = sorted(set(archive.namelist()) - {ABOUT})
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError("network", f"cannot be read ({error})", do="train the model again") from error
    if not isinstance(about, dict):
        raise BundleError("network", "its description is no document", found=about, do="train the model again")
    return arrays, about


def _npy(array: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array(array, order="C"), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _array(content: bytes) -> npt.NDArray[Any]:
    return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
