"""`py-edge bench`: measure ours against the peers; `--profile MODEL` shows where one model's time goes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "py-edge bench --quick --only A1,T3"
PARTS = ("latency", "threads", "start", "native", "products", "overhead", "training", "training-native")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("--only", default="", metavar="A1,T3", help="these models and training tasks only")
    parser.add_argument(
        "--parts", default=",".join(PARTS), metavar="PART,…", help=f"some of {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one browser, few and short blocks: to try, not to publish"
    )
    parser.add_argument("--force", action="store_true", help="measure on a busy machine too, with a warning")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw it")
    parser.add_argument("--profile", metavar="MODEL", help="time per step of one model's plan, then end")
    parser.add_argument(
        "--variant", choices=("relaxed", "simd128"), default="relaxed", help="of WebAssembly, for --profile"
    )
    parser.add_argument(
        "--make-models", action="store_true", help="make the models (anew with --force), then end"
    )


def run(arguments: argparse.Namespace) -> int:
    """0; 1 when a part failed; 3 when the machine was too busy to publish; 2 for wrong words."""
    from py_edge.bench import environments, places
    from py_edge.bench.suite import MODELS, TASK_IDS

    places.need_checkout()
    only = [name for name in arguments.only.split(",") if name]
    tasks = [name for name in only if name in TASK_IDS]
    models = [name for name in only if name not in TASK_IDS] or ([] if tasks else list(MODELS))
    parts = [name for name in arguments.parts.split(",") if name]
    for names, known in ((models, MODELS), (parts, PARTS), ([arguments.profile or "A1"], MODELS)):
        if unknown := [name for name in names if name not in known]:
            print(f"py-edge bench: unknown {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
            return 2
    if arguments.make_models:
        from py_edge.bench.training import tasks_named

        trained = tasks_named(tasks) if tasks or not only else {}
        wanted = dict.fromkeys([*models, *(task.model for task in trained.values())])
        for name in environments.make_models(list(wanted), again=arguments.force):
            print(f"{name}: other bytes than those in tests/benchmarks/models.json", file=sys.stderr)
        return 0
    if arguments.profile:
        return _profile(arguments.profile, arguments.variant)
    from py_edge.bench.suite_run import run_suite

    return run_suite(
        models,
        parts,
        tasks,
        quick=arguments.quick,
        force=arguments.force,
        json_file=arguments.json,
        svg_file=arguments.svg,
    )


def _profile(model: str, variant: str) -> int:
    from py_edge.bench import environments
    from py_edge.bench.browser import cores
    from py_edge.bench.profile import profile, table

    environments.make_models([model])
    print(table(profile(model, cores()[0], variant=variant)))
    return 0
