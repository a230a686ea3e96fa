"""The seal of a bundle: what each file was when it was written, checked before any reader of a library sees it."""

import hashlib
import io
import pickletools
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.market.errors import BundleError
from assay.market.models.base import Files

AGAIN = "train the model again, or take the bundle from where it was made"
NPY = b"\x93NUMPY"
IMPORTS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "REDUCE"})  # opcodes of a pickle that import or call
DEEPEST = 3  # archives within archives that are looked into


def seal(files: Files) -> dict[str, dict[str, Any]]:
    """Name, size and SHA-256 of every file, ready for JSON.

    A seal finds damage and mistakes. It is no signature: who can write the seal can write the files.

    Args:
        files: What a model was dumped to.

    Returns:
        By name: ``bytes`` and ``sha256`` in hexadecimal.

    Raises:
        BundleError: A file is a pickle, or holds one.
    """
    for name, content in files.items():
        _refuse_pickle(name, content)
    return {name: _described(content) for name, content in sorted(files.items())}


def verify(files: Files, sealed: Mapping[str, Mapping[str, Any]]) -> None:
    """Make sure that files are, byte for byte, those that were sealed.

    Args:
        files: The files, without the one that carries the seal.
        sealed: What `seal` gave.

    Raises:
        BundleError: A file is missing, or is one too many; is shorter or longer than it was; was altered; is a pickle,
            or holds one, whatever the seal says: opening it would run what it says.
    """
    if set(files) != set(sealed):
        raise BundleError(
            "model bundle",
            "has other files than it was made with",
            expected=sorted(sealed),
            found=sorted(files),
            do=AGAIN,
        )
    for name, content in files.items():
        _check(name, _described(content), sealed[name])
        _refuse_pickle(name, content)


def _described(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _check(name: str, found: Mapping[str, Any], sealed: Mapping[str, Any]) -> None:
    for what, problem in (("bytes", "has another size than it was made with"), ("sha256", "was altered")):
        if found[what] != sealed[what]:
            raise BundleError(
                f"model bundle: {name}", problem, expected=f"{what} {sealed[what]}", found=found[what], do=AGAIN
            )


def _refuse_pickle(name: str, content: bytes) -> None:
    if where := _pickle_in(content, name):
        raise BundleError(
            "model bundle",
            "holds a pickle, which could run anything when it is opened",
            expected="the libraries' own formats",
            found=where,
            do="do not open it; train the model again",
        )


def _pickle_in(content: bytes, name: str, depth: int = 0) -> str | None:
    """Where there is a pickle: in the file itself, in an array of objects, or in an archive; None when nowhere."""
    if _is_pickle(content) or _is_array_of_objects(content):
        return name
    if depth < DEEPEST and zipfile.is_zipfile(io.BytesIO(content)):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                inside = (_pickle_in(archive.read(entry), f"{name}/{entry}", depth + 1) for entry in archive.namelist())
                return next(filter(None, inside), None)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
            raise BundleError(f"model bundle: {name}", f"cannot be read ({error})", do=AGAIN) from error
    return None


def _is_pickle(content: bytes) -> bool:
    """Whether the bytes are a pickle, or begin with one.

    From protocol 2 on it is marked by its first byte, with which no model file starts. An older one is text: it reads
    as opcodes up to the one that stops, and either imports something or is all there is (so is not ``0.5``).
    """
    if content[:1] == b"\x80":
        return True
    try:
        codes = [(code.name, position) for code, _, position in pickletools.genops(content)]
    except Exception:  # what is no pickle fails in a dozen ways
        return False
    whole = codes[-1][1] == len(content.rstrip()) - 1
    return whole or not IMPORTS.isdisjoint(name for name, _ in codes)


def _is_array_of_objects(content: bytes) -> bool:
    """Whether the bytes are an ``.npy`` file that holds Python objects, which numpy stores as a pickle."""
    if not content.startswith(NPY):
        return False
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return bool(read(file)[2].hasobject)
    except ValueError:
        return False  # no array at all
