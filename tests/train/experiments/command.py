"""The command line of an experiment: its flags, and where its table and its pictures go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def flags() -> argparse.Namespace:
    """seeds: how many; json, svg: files or None."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    return parser.parse_args()


def publish(options: argparse.Namespace, table: Mapping[str, Any], pictures: Mapping[str, str]) -> None:
    """Write the table as JSON and each picture by its suffix: "" as FILE.svg, "X9" as FILE-X9.svg."""
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")
    if options.svg:
        for suffix, picture in pictures.items():
            stem = f"{options.svg.stem}-{suffix}" if suffix else options.svg.stem
            options.svg.with_stem(stem).write_text(picture)
