"""The lineage can be published: it names no folder of the machine that built it."""

import json
from pathlib import Path

import pytest

from assay import lineage
from assay.market.errors import ConfigurationError


def test_the_site_has_no_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(project: Path) -> None:
        nodes = project / "build" / "api" / "nodes"
        nodes.mkdir(parents=True)
        (nodes / "a").write_text(json.dumps({"filepath": f"{project}/data/x.parquet", "root": str(project)}))
        (project / "build" / "index.html").write_text("<html></html>")

    monkeypatch.setattr(lineage, "_build", fake)
    target = tmp_path / "build" / "lineage"
    assert lineage.build_lineage(tmp_path, target) == 1
    assert json.loads((target / "api" / "nodes" / "a").read_text()) == {"filepath": "data/x.parquet", "root": "."}
    assert (target / "index.html").is_file()
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["lineage"]
    assert lineage.build_lineage(tmp_path, target) == 1  # an older site is replaced


def test_a_failed_build_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)lineage: kedro viz build failed.*found: "):
        lineage.build_lineage(tmp_path, tmp_path / "site")
