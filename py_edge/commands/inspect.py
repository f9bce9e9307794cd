"""`py-edge inspect MODEL`: what it consists of, what is unsupported and where, what running it takes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

EXAMPLE = "py-edge inspect models/digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a model, or its model.json")
    parser.add_argument("--json", action="store_true", help="the facts as JSON on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the facts; what is unsupported is one of them, not a failure."""
    facts = facts_of(arguments.model)
    if arguments.json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts)
    return 0


def facts_of(source: Path) -> dict[str, Any]:
    """Format, layers, parameters, unsupported, plan steps, bytes of the arena and of the largest live set.

    Where a layer or op is unsupported, no weight is read: parameters are None then."""
    from py_edge.tfjs.load import load_model

    model = load_model(source, inspect=True)
    whole = not model.unsupported
    facts: dict[str, Any] = {
        "format": model.format,
        "inputs": [{"name": port.name, "shape": port.shape, "dtype": port.dtype} for port in model.inputs],
        "outputs": [{"name": port.name, "shape": port.shape, "dtype": port.dtype} for port in model.outputs],
        "layers": [
            {"name": part.name, "kind": part.kind, "parameters": part.parameters if whole else None}
            for part in model.layers
        ],
        "parameters": model.parameters if whole else None,
        "unsupported": [{"code": p.code, "where": p.where, "message": p.message} for p in model.unsupported],
        "plan_steps": None,
        "arena_bytes": None,
        "live_bytes": None,
        "arena_ratio": None,
    }
    if whole:
        from py_edge.model import Model

        plan = Model(model).plan()
        ratio = plan.arena_bytes / plan.live_bytes if plan.live_bytes else 1.0
        facts |= {
            "plan_steps": plan.steps, "arena_bytes": plan.arena_bytes, "live_bytes": plan.live_bytes,
            "arena_ratio": round(ratio, 4),
        }  # fmt: skip
    return facts


def _print(facts: dict[str, Any]) -> None:
    print(f"{facts['format']}{_count(', ', facts['parameters'], ' parameters')}")
    for side in ("inputs", "outputs"):
        for port in facts[side]:
            shape = ", ".join("?" if size is None else str(size) for size in port["shape"])
            print(f"  {side[:-1]} {port['name']} ({shape}) {port['dtype']}")
    width = max((len(layer["name"]) for layer in facts["layers"]), default=0)
    for layer in facts["layers"]:
        print(f"  {layer['name']:<{width}}  {layer['kind']}{_count('  ', layer['parameters'])}")
    for problem in facts["unsupported"]:
        print(f"  unsupported: {problem['where']}: {problem['message']} [{problem['code']}]", file=sys.stderr)
    if facts["plan_steps"] is not None:
        print(
            f"{facts['plan_steps']} plan steps, arena {facts['arena_bytes']:,} bytes, "
            f"largest live set {facts['live_bytes']:,} bytes, ratio {facts['arena_ratio']}"
        )


def _count(before: str, parameters: int | None, after: str = "") -> str:
    return "" if parameters is None else f"{before}{parameters:,}{after}"
