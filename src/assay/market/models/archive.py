"""scikit-learn models as skops archives: the same bytes for the same model, opened by an allow-list of types."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from assay.market.errors import BundleError

EPOCH = (1980, 1, 1, 0, 0, 0)  # earliest time a zip entry can carry
SCHEMA = "schema.json"
PLAIN = frozenset(
    {"builtins.dict", "builtins.list", "builtins.str", "builtins.tuple"}
    | {f"numpy.{name}" for name in ("ndarray", "int64", "float32", "float64", "dtype")}
)


def dump_sklearn(estimator: Any) -> bytes:  # noqa: ANN401
    """A fitted scikit-learn estimator as a skops archive.

    skops names its entries by memory addresses and stamps them with the clock, and the nodes of a tree carry unused
    bytes that were never set. Here entries are numbered in the order of appearance and stamped with a fixed time, and
    unused bytes are zero, so that equal models give equal bytes.
    """
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as source:
        arrays = {name: source.read(name) for name in source.namelist() if name != SCHEMA}
        schema = json.loads(source.read(SCHEMA))
    names = _renumber(schema)
    entries = {names[name]: _without_padding(content) for name, content in arrays.items()}
    entries[SCHEMA] = json.dumps(schema, indent=1).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in sorted(entries):
            target.writestr(zipfile.ZipInfo(name, EPOCH), entries[name])
    return out.getvalue()


def load_sklearn(archive: bytes, trusted: frozenset[str]) -> Any:  # noqa: ANN401
    """The estimator in a skops archive, if it holds nothing but plain containers, arrays and ``trusted`` types.

    Args:
        archive: Bytes made by `dump_sklearn`.
        trusted: Full names of the scikit-learn types that the archive may hold.

    Raises:
        BundleError: The archive is damaged, or holds another type.
    """
    import skops.io

    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as source:
            schema = json.loads(source.read(SCHEMA))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BundleError("skops archive", f"cannot be read ({error})", do="train the model again") from error
    # skops itself trusts every scikit-learn type and more; the whole tree is held against the shorter list first.
    foreign = {name for name in _types(schema) if name not in PLAIN | trusted}
    if foreign:
        raise BundleError(
            "skops archive",
            "holds types that no model of this kind is made of",
            expected=sorted(trusted),
            found=sorted(foreign),
            do="do not open it; train the model again",
        )
    return skops.io.loads(archive, trusted=sorted(trusted))


def _without_padding(content: bytes) -> bytes:
    """An .npy file with the bytes between the fields of its records set to zero."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)  # zeros_like would skip the unused bytes again
    for field in array.dtype.names:
        clean[field] = array[field]
    out = io.BytesIO()
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()


def _nodes(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Every object of a JSON document, depth first."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(child)


def _types(schema: Any) -> Iterator[str]:  # noqa: ANN401
    """Full names of all types a skops schema asks for, at whatever depth they hide."""
    for node in _nodes(schema):
        if "__class__" in node or "__module__" in node:
            yield f"{node.get('__module__')}.{node.get('__class__')}"


def _renumber(schema: Any) -> dict[str, str]:  # noqa: ANN401
    """Replace object ids and file names in place by running numbers; gives the new name of each file.

    Whether two equal numbers or texts are one object is a matter of chance, and of no meaning: each gets its own id.
    """
    numbers: dict[object, int] = {}
    files: dict[str, str] = {}
    number: Callable[[object], int] = lambda key: numbers.setdefault(key, len(numbers))  # noqa: E731
    for node in _nodes(schema):
        if "__id__" in node:
            node["__id__"] = number(object() if node.get("is_json") else node["__id__"])
        if "file" in node:
            old = PurePosixPath(node["file"])
            node["file"] = files.setdefault(str(old), f"{number(int(old.stem))}{old.suffix}")
    return files
