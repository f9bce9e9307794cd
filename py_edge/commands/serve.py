"""`py-edge serve`: one node, with every setting as a flag."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py_edge.errors import PyEdgeError

if TYPE_CHECKING:
    from py_edge.node.node import Parts
    from py_edge.node.settings import Settings

EXAMPLE = "py-edge serve --data /srv/node --model models/digits --parent https://cloud.example"
_LOOK_S = 5.0
_METAVARS = {str: "TEXT", int: "N", float: "X", tuple: "A,B"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from py_edge.node.settings import Settings

    for field in dataclasses.fields(Settings):
        flag, words = f"--{field.name.replace('_', '-')}", field.metadata["meaning"]
        if isinstance(field.default, bool):
            parser.add_argument(flag, action="store_const", const=True, help=words)
        else:
            shown = f" (default {field.default})" if field.default not in ("", ()) else ""
            parser.add_argument(flag, help=words + shown, metavar=_METAVARS.get(type(field.default)))
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="TF.js model that answers here before anybody above is asked",
    )
    parser.add_argument(
        "--model-server",
        metavar="URL",
        help="a model server that answers here instead: POST {instances} gives {predictions}",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="SHARE",
        help="the model answers alone when its probability is at least this (default: what the model's file says)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as a TOML file; flags and PY_EDGE_* win over it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or ctrl-C; 2 if a setting is wrong."""
    from py_edge.node.serve import serve

    try:
        settings = _settings(arguments)
        parts = _parts(arguments, settings.threads)
    except PyEdgeError as error:
        print(f"py-edge: {error}", file=sys.stderr)
        return 2

    def say(url: str) -> None:
        print(f"{settings.name} answers at {url}", file=sys.stderr)
        pages = ("desk", "dashboard") if settings.site_dir else ()
        for page in pages:
            print(f"  {page}: {url}/{page}", file=sys.stderr)
        if settings.parent:
            threading.Thread(target=_look_for, args=(settings.parent,), daemon=True).start()

    return serve(settings, parts, on_ready=say)


def _settings(arguments: argparse.Namespace) -> Settings:
    """Flags, environment and file together. Raises EnvironmentProblem: a name or a value that no setting has."""
    from py_edge.node.settings import Settings, check_range, load_settings

    check_range("threshold", arguments.threshold, 0, most=1)
    flags: dict[str, Any] = {
        field.name: getattr(arguments, field.name) for field in dataclasses.fields(Settings)
    }
    return load_settings(flags, file=arguments.config)


def _parts(arguments: argparse.Namespace, threads: int) -> Parts:
    """The model that answers here, if one was named."""
    from py_edge.confidence.certify import NEVER_SURE
    from py_edge.errors import EnvironmentProblem
    from py_edge.model import load_model
    from py_edge.node.answerer import ModelAnswerer
    from py_edge.node.node import Parts
    from py_edge.node.other_answerers import ServerAnswerer

    if arguments.model_server and arguments.model:
        raise EnvironmentProblem(
            "one of them answers", where="model-server", want="--model or --model-server"
        )
    if arguments.model_server:
        threshold = NEVER_SURE if arguments.threshold is None else arguments.threshold
        return Parts(answerer=ServerAnswerer(arguments.model_server, threshold))
    if arguments.model is None:
        return Parts()
    model, answerer = load_model(arguments.model, threads=threads), ModelAnswerer(threads)
    metadata = dict(model.metadata)
    if arguments.threshold is not None:
        metadata["threshold"] = arguments.threshold
    if "threshold" not in metadata:
        print("the model is never sure: give --threshold, or write one into its metadata", file=sys.stderr)
    answerer.use(model, metadata)
    return Parts(answerer=answerer)


def _look_for(parent: str) -> None:
    """Say it when the parent does not answer: nothing is lost, but nobody above hears us."""
    try:
        urllib.request.urlopen(f"{parent.rstrip('/')}/healthz", timeout=_LOOK_S).close()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        print(
            f"the parent {parent} does not answer ({reason}): questions are kept and go up when it does; "
            "start it, or give another --parent",
            file=sys.stderr,
        )
