"""`py-edge demo`: the whole story on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

EXAMPLE = "py-edge demo --headless --once --rounds 3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless", action="store_true", help="drive a headless Chromium even where there is a display"
    )
    parser.add_argument("--once", action="store_true", help="end after the story instead of staying up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured; - for stdout")
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        default=0,
        help="decides writers, pictures, first weights (default 0)",
    )
    parser.add_argument(
        "--rounds", type=_within(1), metavar="N", default=10, help="rounds of questions (default 10)"
    )
    parser.add_argument(
        "--questions", type=_within(1), metavar="N", default=200, help="questions in a round (default 200)"
    )
    parser.add_argument(
        "--port",
        type=_within(0, 65534),
        metavar="N",
        default=0,
        help="port of the site node, the cloud takes the next; 0 takes free ones",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="keep a picture of the page after each round"
    )


def _within(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"got {text}, want {least} to {most}")
        return int(text)

    return number


def run(arguments: argparse.Namespace) -> int:
    """Set up, play, print; gives the exit code."""
    from py_edge.demo.play import Wishes, play

    return play(
        Wishes(
            seed=arguments.seed, rounds=arguments.rounds, questions=arguments.questions, port=arguments.port,
            headless=arguments.headless, once=arguments.once, json=arguments.json, pictures=arguments.pictures,
        )
    )  # fmt: skip
