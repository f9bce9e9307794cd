"""The wheel as users get it: a clean environment, no Node anywhere, and a site that is the checkout's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from py_edge.bundle.collect import collect
from py_edge.bundle.parts import prepare
from py_edge.bundle.wheels import NATIVE, build_wheel
from py_edge.model import Model
from py_edge.tfjs.new import sequential


@pytest.mark.slow
def test_pip_install_is_enough_to_make_a_bundle(tmp_path: Path) -> None:
    """`pip install` and `py-edge bundle` with a TF.js folder, without node and npm, give the same tree as a checkout."""
    prepare()
    wheel = build_wheel(NATIVE, tmp_path / "wheels")
    model = tmp_path / "iris"
    layers = [{"class_name": "Dense", "units": 3, "activation": "softmax"}]
    Model(sequential((4,), layers, seed=1)).save(model)
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([home / "bin" / "pip", "install", "--quiet", str(wheel)], check=True, timeout=300)
    environment = {**os.environ, "PATH": str(home / "bin")}
    command = [str(home / "bin" / "py-edge"), "bundle", "-o", "site", "--model", str(model), "--offline"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    checked = [*command[:2], "verify", "site"]
    assert subprocess.run(checked, cwd=tmp_path, env=environment, check=False).returncode == 0
    ours = collect(tmp_path / "ours", models=[model], edge={"src": "models/iris/"}, offline=True)
    assert f"tree {ours.tree_hash}" in ran.stderr
    assert (tmp_path / "site" / "py-edge.js.br").is_file()
