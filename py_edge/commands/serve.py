"""`py-edge serve`: one node, with every setting as a flag."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

_HELP = {
    "name": "name of this node, unique along the chain",
    "level": "tier number: 0 is the device, then upward",
    "data": "folder for database and blobs, or memory:",
    "parent": "URL of the next tier; without one, questions end at the desk here",
    "parent_token": "secret that the parent wants",
    "host": "address to listen on",
    "port": "port to listen on; 0 takes a free one",
    "token": "secret that callers from other machines must bring",
    "require_token": "callers on this machine must bring it too",
    "origins": "other web origins whose pages may call, with commas",
    "hosts": "names under which others reach this node, with commas",
    "site_dir": "folder of the built site to serve",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from py_edge.node.settings import Settings

    for field in dataclasses.fields(Settings):
        flag, words = f"--{field.name.replace('_', '-')}", _HELP.get(field.name, field.name.replace("_", " "))
        if isinstance(field.default, bool):
            parser.add_argument(flag, action="store_const", const=True, help=words)
        else:
            shown = f" (default {field.default})" if field.default not in ("", ()) else ""
            parser.add_argument(flag, help=words + shown, metavar=type(field.default).__name__.upper())
    parser.add_argument(
        "--config", type=Path, help="settings as a TOML file; flags and PY_EDGE_* win over it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or ctrl-C."""
    from py_edge.node.serve import serve
    from py_edge.node.settings import Settings, load_settings

    flags: dict[str, Any] = {
        field.name: getattr(arguments, field.name) for field in dataclasses.fields(Settings)
    }
    settings = load_settings(flags, file=arguments.config)

    def say(url: str) -> None:
        print(f"{settings.name} answers at {url}", file=sys.stderr)
        pages = ("desk", "dashboard") if settings.site_dir else ()
        for page in pages:
            print(f"  {page}: {url}/{page}", file=sys.stderr)

    return serve(settings, on_ready=say)
