"""skops archives: the same bytes for the same model, and only trusted types are opened."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from assay.market.errors import BundleError
from assay.market.models.archive import _without_padding, dump_sklearn, load_sklearn

RIDGE = frozenset({"sklearn.linear_model._ridge.Ridge"})
X = np.arange(12.0).reshape(6, 2)
SCRIPT = """
import hashlib, numpy as np
from sklearn.ensemble import RandomForestClassifier
from assay.market.models.archive import dump_sklearn
X = np.random.default_rng(0).standard_normal((200, 3))
forest = RandomForestClassifier(5, random_state=0).fit(X, X[:, 0] > 0)
print(hashlib.sha256(dump_sklearn(forest)).hexdigest())
"""


def ridge() -> Ridge:
    return Ridge().fit(X, X[:, 0])


def edited(archive: bytes, old: str, new: str) -> bytes:
    """The archive with a text in its schema replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            target.writestr(name, content)
    return out.getvalue()


def test_processes_agree_on_the_bytes() -> None:
    command = [sys.executable, "-c", SCRIPT]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE) as two,
    ):
        digests = [process.communicate()[0] for process in (one, two)]
    assert one.returncode == two.returncode == 0
    assert digests[0] == digests[1]


def test_entries_are_numbered_and_carry_no_clock() -> None:
    with zipfile.ZipFile(io.BytesIO(dump_sklearn(ridge()))) as archive:
        schema = json.loads(archive.read("schema.json"))
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        stems = [PurePosixPath(name).stem for name in archive.namelist() if name != "schema.json"]
    assert all(int(stem) < 1000 for stem in stems)
    assert schema["__class__"] == "Ridge"


def test_bytes_do_not_tell_whether_equal_values_are_one_object() -> None:
    one, other = float("1e300"), float("1e301") / 10
    assert one == other
    assert one is not other
    assert dump_sklearn({"a": one, "b": one}) == dump_sklearn({"a": one, "b": other})
    assert load_sklearn(dump_sklearn({"a": one, "b": one}), frozenset()) == {"a": one, "b": one}


def test_unused_bytes_of_tree_nodes_are_zero() -> None:
    dirty = np.zeros(3, dtype=np.dtype([("a", "<f8"), ("b", "u1")], align=True))
    dirty.view(np.uint8).reshape(3, 16)[:, 9:] = 255
    dirty["a"], dirty["b"] = [1, 2, 3], [4, 5, 6]
    out = io.BytesIO()
    np.save(out, dirty)
    clean = np.load(io.BytesIO(_without_padding(out.getvalue())))
    assert clean.dtype == dirty.dtype
    assert clean.tolist() == dirty.tolist()
    assert not clean.view(np.uint8).reshape(3, 16)[:, 9:].any()


def test_a_trusted_model_comes_back() -> None:
    again = load_sklearn(dump_sklearn(ridge()), RIDGE)
    np.testing.assert_array_equal(again.predict(X), ridge().predict(X))


def test_another_scikit_learn_type_is_refused() -> None:
    foreign = dump_sklearn(StandardScaler().fit(X))
    with pytest.raises(BundleError, match=r"holds types that no model[\s\S]*found: .*StandardScaler"):
        load_sklearn(foreign, RIDGE)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('"__class__": "Ridge"', '"__class__": "RidgeCV"', "RidgeCV"),
        ('"__module__": "sklearn.linear_model._ridge"', '"__module__": "evil"', "evil.Ridge"),
        ('"__class__": "ndarray"', '"__class__": "memmap"', "numpy.memmap"),
        ('"__class__": "str"', '"__class__": "eval"', "builtins.eval"),
    ],
)
def test_an_edited_archive_is_refused(old: str, new: str, name: str) -> None:
    with pytest.raises(BundleError, match=name):
        load_sklearn(edited(dump_sklearn(ridge()), old, new), RIDGE)


@pytest.mark.parametrize("damaged", [b"", b"not a zip", dump_sklearn(Ridge().fit(X, X[:, 0]))[:300]])
def test_a_damaged_archive_is_refused(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="skops archive: cannot be read"):
        load_sklearn(damaged, RIDGE)
