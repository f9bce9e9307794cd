"""`py-edge`: one verb per module of commands/, loaded only when it is the one called.

People read stderr, machines stdout (`--json`). An error is one sentence with its remedy and exit code 1; wrong usage 2;
ctrl-C 130.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from py_edge import __version__
from py_edge.errors import PyEdgeError

COMMANDS = {
    "demo": "play the whole story: two nodes, a page, a desk",
    "serve": "run a node: questions, answers, models, desk",
    "backup": "copy a running node's folder, consistent and checked",
    "restore": "make a node's folder from a backup",
    "dead-letters": "list what a node's parent refused, and send it again",
    "erase": "take away what a device asked, at a node and at those above",
    "desk": "take a node's tasks to Label Studio, and its annotations back",
    "bundle": "make the static site",
    "predict": "run a model on a .npy or .npz file",
    "bench": "measure speed against other runtimes, in a checkout",
    "conformance": "compare with what Keras, TensorFlow and TF.js computed",
    "convert": "make a TF.js model of an .h5, a .keras or a SavedModel",
    "inspect": "tell what a model consists of and what is unsupported",
}
EXIT_CODES = """\
py-edge COMMAND --help tells its arguments and an example. Exit code 0: done; 1: an error, in one sentence with its code
and remedy; 2: wrong usage or, for serve, a wrong setting; 3: the disk of serve gave up; 130: ctrl-C. People read stderr,
machines stdout (--json)."""
AS_WRITTEN = argparse.RawDescriptionHelpFormatter


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser; only the chosen command's module is imported, for its arguments."""
    parser = argparse.ArgumentParser(
        prog="py-edge",
        description="Small models that run and keep learning in a web page, and ask when unsure.",
        epilog=EXIT_CODES,
        formatter_class=AS_WRITTEN,
    )
    parser.add_argument("--version", action="version", version=f"py-edge {__version__}")
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        verb = verbs.add_parser(
            name, help=line, description=line[0].upper() + line[1:] + ".", formatter_class=AS_WRITTEN
        )
        if name == chosen:
            module = importlib.import_module(f"py_edge.commands.{name.replace('-', '_')}")
            module.add_arguments(verb)
            verb.epilog = f"example:\n  {module.EXAMPLE}"
            verb.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in given if word in COMMANDS), None)
    try:
        arguments = build_parser(chosen).parse_args(given)
        return int(arguments.run(arguments) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PyEdgeError as error:
        print(f"py-edge: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("py_edge"):
            raise
        print(
            f"py-edge: {error.name} is not installed; pip install 'py_edge[{_extra(chosen)}]'",
            file=sys.stderr,
        )
    except OSError as error:
        print(f"py-edge: {_what_the_system_said(error)}", file=sys.stderr)
    return 1


def _extra(command: str | None) -> str:
    return {
        "serve": "node",
        "backup": "node",
        "restore": "node",
        "bundle": "build",
    }.get(command or "", "demo")


def _what_the_system_said(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error} [E_ENVIRONMENT]"
