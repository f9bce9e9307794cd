"""`py-edge erase URL DEVICE [SEQUENCE]`: take away what a device asked, at a node and wherever it went from there."""

from __future__ import annotations

import argparse
import sys

from py_edge.commands.node_client import add_token_argument, ask_node

EXAMPLE = "py-edge erase http://127.0.0.1:8600 0f3c5d7e9b1a2c4d 12"
_TIMEOUT_S = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the node that the device asks")
    parser.add_argument("device", metavar="DEVICE", help="the id of the device: hexadecimal digits")
    parser.add_argument(
        "sequence", metavar="SEQUENCE", type=int, nargs="?", help="one question only (default: everything)"
    )
    add_token_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Erase, and say how much went. Raises as ask_node does."""
    from py_edge.records import DEVICE

    device = DEVICE.read(arguments.device, "DEVICE")
    one = arguments.sequence is not None
    path = f"/v1/questions/{device}/{arguments.sequence}" if one else f"/v1/devices/{device}"
    said = ask_node(arguments.url, path, method="DELETE", token=arguments.token, timeout_s=_TIMEOUT_S)
    what = f"{device}:{arguments.sequence}" if one else f"{said['erased']} of {device}"
    print(f"erased here: {what}; every node above is told as soon as it can be reached", file=sys.stderr)
    return 0
