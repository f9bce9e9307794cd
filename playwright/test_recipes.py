"""The recipes of web/recipes as their readers follow them: each page's own snippets, served and opened in Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from py_edge import finetune, load_model
from py_edge.bench.environments import environment
from py_edge.bundle.cache import sha256_of
from py_edge.bundle.collect import Bundle
from py_edge.bundle.lock import read_lock
from py_edge.bundle.sources import Fetcher, read_package
from py_edge.bundle.wheels import ABIS, build_wheel
from py_edge.testing import Origin

pytestmark = pytest.mark.browser
RECIPES = Path(__file__).resolve().parents[1] / "web" / "recipes"
PYSCRIPT = "npm:@pyscript/core@0.7.31"
PYSCRIPT_SHA512 = "GqM1aonc1N4RTkNZ1zJ8jJk8+i2cqeztZslPsAiQtn+wHHkUX9Z1FgIg4HjCvhBylB68UKmbTVTzOobpgPIMVQ=="
SLOW_MS = 120_000
IMAGES, LABELS = [[0.5] * 64], [3]
Serve = Callable[..., Origin]


def _snippet(recipe: str, name: str) -> str:
    text = (RECIPES / f"{recipe}.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- snippet: {name} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found, f"{recipe}.md has no snippet {name}"
    return found[1]


def _label(model_folder: Path) -> str:
    """What the model says natively to the recipes' picture."""
    row = load_model(model_folder).predict(IMAGES).tolist()[0]
    return str(row.index(max(row)))


@pytest.fixture
def site(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle, its model under the recipes' name."""
    made = tmp_path / "bundle"
    shutil.copytree(bundle.folder, made)
    (made / "models" / "device").rename(made / "models" / "digits")
    return made


def test_every_recipe_is_linked() -> None:
    """The README names each page of recipes."""
    readme = (RECIPES.parents[1] / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in RECIPES.glob("*.md") if f"(web/recipes/{path.name})" not in readme] == []


def test_plain_html(page: Page, serve: Serve, site: Path, model_folder: Path) -> None:
    """The page says what the same model says natively."""
    (site / "mine.html").write_text(_snippet("html", "page"), encoding="utf-8")
    page.goto(f"{serve(site).url}mine.html")
    expect(page.locator("#said")).to_have_text(_label(model_folder))


def test_quartos_block(page: Page, serve: Serve, site: Path, model_folder: Path) -> None:
    """Quarto hands a raw HTML cell through: that cell, in a page beside the bundle, says what the model says natively."""
    found = re.search(
        r"```\{=html\}\n(.*?)```", (RECIPES / "quarto.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert found
    (site.parent / "page").mkdir()
    site.rename(site.parent / "page" / "edge")
    empty = '<!doctype html><html lang="en"><title>quarto</title><link rel="icon" href="data:,">'
    (site.parent / "page" / "index.html").write_text(empty + found[1], encoding="utf-8")
    page.goto(serve(site.parent / "page").url)
    predict = (
        "async () => (await document.querySelector('py-edge').predict(new Float32Array(64).fill(0.5))).label"
    )
    assert page.evaluate(predict) == _label(model_folder)


@pytest.mark.slow
def test_mkdocs(page: Page, serve: Serve, site: Path, model_folder: Path, tmp_path: Path) -> None:
    """A site that MkDocs built says what the same model says natively."""
    docs = tmp_path / "mkdocs" / "docs"
    shutil.copytree(site, docs / "edge")
    (docs / "index.md").write_text(_snippet("mkdocs", "page"), encoding="utf-8")
    (docs.parent / "mkdocs.yml").write_text(_snippet("mkdocs", "config"), encoding="utf-8")
    python = environment("mkdocs", (("mkdocs==1.6.1",),))
    subprocess.run([python, "-m", "mkdocs", "build", "--quiet"], cwd=docs.parent, check=True, timeout=120)
    page.goto(f"{serve(docs.parent / 'site').url}index.html")
    expect(page.locator("#said")).to_have_text(_label(model_folder))


@pytest.mark.slow
def test_jupyterlite(
    browser: Browser, serve: Serve, model_folder: Path, tmp_path: Path, tattler: Any
) -> None:
    """The recipe's commands make a site that offers the wheel, byte for byte, and needs no other host: its console installs
    it, and the cell says what the model says natively, before and after it has learnt."""
    python = environment("jupyterlite", (tuple(_snippet("jupyterlite", "install").split()[2:]),))
    wheel = build_wheel(ABIS[0], tmp_path / "wheels")
    shutil.copytree(model_folder, tmp_path / "content" / "digits")
    _pyodide(tmp_path / "static" / "pyodide")
    for name in ("kernel", "build"):
        program, *arguments = _snippet("jupyterlite", name).split()
        command = [str(python.with_name(program)), *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    index = tmp_path / "site" / "pypi" / "all.json"
    [[offered]] = json.loads(index.read_text(encoding="utf-8"))["py-edge"]["releases"].values()
    assert offered["digests"]["sha256"] == sha256_of(wheel.read_bytes())
    assert (index.parent / wheel.name).read_bytes() == wheel.read_bytes()

    tattler.expected.append("console: ")  # JupyterLite's own
    context = browser.new_context(service_workers="allow")  # the kernel sees the model's folder through one
    page = context.new_page()
    tattler.watch(page)
    asked = urlencode({"kernel": "python", "execute": "1", "code": _snippet("jupyterlite", "cell")})
    page.goto(f"{serve(tmp_path / 'site').url}repl/index.html?{asked}")
    _says_what_it_says_natively(page.locator(".jp-OutputArea-output", has_text=" then ").last, model_folder)
    context.close()


@pytest.mark.slow
def test_pyodide(page: Page, serve: Serve, model_folder: Path, tmp_path: Path) -> None:
    """micropip installs the wheel from its address; it predicts and learns there as natively."""
    _lay_out("pyodide", model_folder, tmp_path)
    page.goto(serve(tmp_path).url)
    _says_what_it_says_natively(page.locator("#said"), model_folder)


@pytest.mark.slow
def test_pyscript(page: Page, serve: Serve, model_folder: Path, tmp_path: Path) -> None:
    """PyScript installs the wheel that its configuration names; it predicts and learns there as natively."""
    _lay_out("pyscript", model_folder, tmp_path)
    _pyscript(tmp_path / "pyscript")
    (tmp_path / "pyscript.json").write_text(_snippet("pyscript", "config"), encoding="utf-8")
    page.goto(serve(tmp_path).url)
    _says_what_it_says_natively(page.locator("#said"), model_folder)


def _lay_out(recipe: str, model_folder: Path, folder: Path) -> None:
    """What goes beside the recipe's page: Pyodide, the wheel, the model's files."""
    _pyodide(folder / "pyodide")
    build_wheel(ABIS[0], folder)
    shutil.copytree(model_folder, folder / "models" / "digits")
    (folder / "index.html").write_text(_snippet(recipe, "page"), encoding="utf-8")


def _says_what_it_says_natively(place: Locator, model_folder: Path) -> None:
    """`before then after`: the probability of the recipes' label, before and after the fine-tune."""
    expect(place).to_contain_text(" then ", timeout=SLOW_MS)
    model = load_model(model_folder)
    before = model.predict(IMAGES).tolist()[0][3]
    finetune(model, IMAGES, LABELS, epochs=30, learning_rate=0.05)
    after = model.predict(IMAGES).tolist()[0][3]
    said = re.findall(r"[0-9.]+", place.text_content() or "")
    assert [float(value) for value in said] == pytest.approx([before, after], abs=2e-4)
    assert after > before + 0.5


def _pyscript(folder: Path) -> None:
    """`dist` of the pinned package, its archive checked against the integrity npm published."""
    members, archive = read_package(PYSCRIPT)
    assert base64.b64encode(hashlib.sha512(archive).digest()).decode() == PYSCRIPT_SHA512
    for name, data in members.items():
        if name.startswith("package/dist/"):
            path = folder / name.removeprefix("package/dist/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _pyodide(folder: Path) -> None:
    """The locked Pyodide with micropip as PyPI has it; its list of packages names those that are there, in this build."""
    folder.mkdir(parents=True)
    lock = read_lock()
    for name, path in Fetcher(lock).fetch(lock.select(["runtime", "micropip"])).items():
        shutil.copyfile(path, folder / name)
    listing = folder / "pyodide-lock.json"
    known: dict[str, Any] = json.loads(listing.read_text(encoding="utf-8"))
    known["packages"] = {name: known["packages"][name] for name in ("micropip", "packaging")}
    for entry in known["packages"].values():
        entry["sha256"] = sha256_of((folder / entry["file_name"]).read_bytes())
    known["packages"]["micropip"]["depends"] = ["packaging"]
    listing.write_text(json.dumps(known), encoding="utf-8")
