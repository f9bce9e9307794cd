"""A model as the page takes it: its TF.js files, the plan that the executor runs, and release.json over all of them.

A folder that is a release already is taken as it is; a plain TF.js folder is compiled here, so nobody writes release.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from py_edge.errors import ModelFormatError, NotFoundError
from py_edge.model import load_model
from py_edge.records import ReleaseFile, digest_of_release

RELEASE_FILE, PLAN_FILE = "release.json", "wasm.plan"
MODEL_FILE = "model.json"
LABEL_FILES = ("labels.json", "metadata.json")
"""Where class names are looked for: a list, or Teachable Machine's {"labels": […]}."""
PANEL = 8  # columns per packed panel of the stand-alone executor


def model_files(source: Path) -> tuple[str, dict[str, bytes]]:
    """Name and files of the model at `source`, a folder or its model.json, with plan and release.json.

    Raises NotFoundError (nothing there) and what `load_model` raises for a model that cannot be used.
    """
    folder, name = model_folder(source), model_name(source)
    if (folder / RELEASE_FILE).is_file():
        return name, _read(folder)
    model = load_model(folder)
    document = json.loads((folder / MODEL_FILE).read_bytes())
    shards = [path for group in document["weightsManifest"] for path in group["paths"]]
    extra = [label for label in LABEL_FILES if (folder / label).is_file()]
    files = {path: (folder / path).read_bytes() for path in (MODEL_FILE, *shards, *extra)}
    metadata = _metadata(files)
    files[PLAN_FILE] = model.plan(panel=PANEL, meta=dict(metadata)).to_bytes()
    return name, {**files, RELEASE_FILE: _release(name, files, metadata)}


def model_folder(source: Path) -> Path:
    """The folder of the model at `source`, a folder or its model.json. Raises NotFoundError."""
    folder = _folder(source)
    if not any((folder / name).is_file() for name in (MODEL_FILE, RELEASE_FILE)):
        raise NotFoundError(
            "there is no model here", where=str(source), want=f"{MODEL_FILE} or {RELEASE_FILE}"
        )
    return folder


def model_name(source: Path) -> str:
    """What the model is called: the name of its folder."""
    return _folder(source).resolve().name


def _folder(source: Path) -> Path:
    return source.parent if source.name == MODEL_FILE else source


def _read(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _metadata(files: Mapping[str, bytes]) -> dict[str, Any]:
    for path in LABEL_FILES:
        if path not in files:
            continue
        try:
            told = json.loads(files[path])
        except ValueError as error:
            raise ModelFormatError("this is not JSON", where=path, got=str(error)) from error
        labels = told.get("labels") if isinstance(told, dict) else told
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ModelFormatError("labels are a list of names", where=path, got=type(labels).__name__)
        return {"labels": labels}
    return {}


def _release(name: str, files: Mapping[str, bytes], metadata: dict[str, Any]) -> bytes:
    listed = tuple(
        ReleaseFile(path, len(data), sha256(data).hexdigest()) for path, data in sorted(files.items())
    )
    document = {
        "name": name,
        "version": 1,
        "digest": digest_of_release(listed, metadata),
        "files": [file.to_json() for file in listed],
        "metadata": metadata,
        "released_at_ms": 0,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()
