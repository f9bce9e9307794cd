"""py_edge as `pip install` gives it: from the wheel alone, on a machine without Node, to a page that predicts."""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from py_edge import load_model
from py_edge.bundle.cache import cache_dir
from py_edge.bundle.collect import collect
from py_edge.bundle.parts import prepare
from py_edge.bundle.wheels import NATIVE, build_wheel
from py_edge.testing import Origin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SLOW_MS = 120_000
SAY = """async image => {
  const edge = await document.getElementById('edge').ready;
  return { label: (await edge.predict(new Float32Array(image))).label_index, origin: edge.options.origin };
}"""


def _run(folder: Path, bin_dir: Path, *command: str | Path) -> str:
    """stderr of a command of the new environment, whose own programs are all that it finds."""
    variables = {"PATH": str(bin_dir), "PY_EDGE_CACHE": str(cache_dir()), "HOME": str(folder)}
    assert [name for name in ("node", "npm") if shutil.which(name, path=variables["PATH"])] == []
    program = [str(bin_dir / command[0]), *map(str, command[1:])]
    ran = subprocess.run(
        program, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stderr


def test_the_wheel_makes_a_site_that_predicts_without_node(
    page: Page,
    serve: Callable[..., Origin],
    model_folder: Path,
    digits: tuple[list[list[float]], list[int]],
    tmp_path: Path,
) -> None:
    """Installed into a new environment: `py-edge bundle --in-page` writes what a checkout writes, `verify` finds it whole,
    and its front page says what the model says natively."""
    prepare()
    wheel = build_wheel(NATIVE, tmp_path / "wheels")
    venv.create(tmp_path / "new", with_pip=True)
    bin_dir, site = tmp_path / "new" / "bin", tmp_path / "site"
    _run(tmp_path, bin_dir, "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    _run(tmp_path, bin_dir, "py-edge", "bundle", "-o", site, "--in-page", "--model", model_folder)
    assert "as it was made" in _run(tmp_path, bin_dir, "py-edge", "bundle", "verify", site)

    edge = {"src": "models/device/", "origin": "in-page"}
    same = collect(tmp_path / "same", models=[model_folder], tiers=("runtime", "node"), edge=edge)
    assert json.loads((site / "bundle.json").read_text())["tree"] == same.tree_hash[:16]

    page.set_default_timeout(SLOW_MS)
    page.goto(serve(site).url)
    image = digits[0][600]
    files = {
        path.name: path.read_bytes() for path in model_folder.iterdir() if path.suffix in (".json", ".bin")
    }
    row = load_model(files).predict([image]).tolist()[0]
    assert page.evaluate(SAY, image) == {"label": row.index(max(row)), "origin": "in-page"}
