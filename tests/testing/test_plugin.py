"""The testing kit as its users have it: what the README beside it says is what the fixtures do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import httpx
import pytest

from py_edge.testing import Fault, Origin, faults, plugin

README = Path(plugin.__file__).with_name("README.md")
pytestmark = pytest.mark.browser


def test_every_fixture_and_every_fault_is_documented() -> None:
    """The page of documentation names all that there is."""
    text = README.read_text(encoding="utf-8")
    fixtures = {
        name for name, made in vars(plugin).items() if type(made).__name__ == "FixtureFunctionDefinition"
    }
    assert fixtures >= {"bundle", "origin", "edge", "chain"}
    assert fixtures <= set(re.findall(r"\b\w+\b", text))
    assert set(get_args(faults.Kind)) <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_a_chain_is_real_nodes_one_above_the_other(chain: Callable[[int], list[Origin]]) -> None:
    """Three nodes answer; the first serves the site with the weather in front, and knows its parent."""
    far, near, cloud = chain(3)
    assert "py-edge.js" in httpx.get(far.url).text
    tiers = [httpx.get(f"{node.url}v1/status").json() for node in (far, near, cloud)]
    assert [bool(tier.get("parent")) for tier in tiers] == [True, True, False]
    far.faults.active.append(Fault("refuse", amount=418))
    assert httpx.get(far.url).status_code == 418
