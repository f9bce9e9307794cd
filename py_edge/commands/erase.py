"""`py-edge erase URL DEVICE [SEQUENCE]`: take away what a device asked, at a node and wherever it went from there."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the node that the device asks, such as http://127.0.0.1:8600")
    parser.add_argument("device", help="the id of the device: hexadecimal digits")
    parser.add_argument("sequence", type=int, nargs="?", help="one question only (default: everything)")
    parser.add_argument("--token", default="", help="the node's token")


def run(arguments: argparse.Namespace) -> int:
    """Erase, and say how much went. Raises what the node said, or NetworkError."""
    import httpx

    from py_edge.errors import NetworkError, refusal
    from py_edge.records import DEVICE

    device = DEVICE.read(arguments.device, "DEVICE")
    one = arguments.sequence is not None
    path = f"/v1/questions/{device}/{arguments.sequence}" if one else f"/v1/devices/{device}"
    headers = {"authorization": f"Bearer {arguments.token}"} if arguments.token else {}
    try:
        with httpx.Client(base_url=arguments.url, headers=headers, timeout=600, trust_env=False) as http:
            response = http.delete(path)
            said = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NetworkError(f"the node did not answer: {error}", where=arguments.url) from error
    if response.is_error:
        raise refusal(said, path)
    what = f"{device}:{arguments.sequence}" if one else f"{said['erased']} of {device}"
    print(f"erased here: {what}; every node above is told as soon as it can be reached", file=sys.stderr)
    return 0
