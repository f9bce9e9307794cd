"""The testing kit as its users have it: what the README beside it says is what the fixtures do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator

from py_edge.model import Model, load_model
from py_edge.testing import Fault, Origin, faults, plugin
from py_edge.tfjs.new import sequential

README = Path(plugin.__file__).with_name("README.md")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def py_edge_models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """One small model of three classes, as a user would name theirs."""
    folder = tmp_path_factory.mktemp("models") / "iris"
    layers = [{"class_name": "Dense", "units": 3, "activation": "softmax"}]
    Model(sequential((4,), layers, seed=1)).save(folder)
    return [folder]


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


def test_an_edge_is_one_ready_element_with_the_asked_attributes(
    edge: Callable[..., Locator], py_edge_models: Sequence[Path]
) -> None:
    """Attributes are written as HTML has them, and the element answers what the same model says natively."""
    element = edge(src="models/iris/", learn="off", threshold=0.75)
    assert element.count() == 1
    assert element.get_attribute("threshold") == "0.75"
    row = [0.5, -1.0, 2.0, 0.25]
    said = element.evaluate("(edge, x) => edge.predict(new Float32Array(x))", row)
    native = load_model(py_edge_models[0]).predict([row]).tolist()[0]
    assert sorted(said["probabilities"]) == pytest.approx(sorted(native), abs=1e-5)


def test_the_documented_story_with_a_person_runs(
    edge: Callable[..., Locator], chain: Callable[[int], list[Origin]], context: BrowserContext
) -> None:
    """The example of the README, its model's name aside: asked at the near node, answered at the far desk, heard at home."""
    source = re.search(
        r"```python\n(from py_edge\.testing.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert source
    names: dict[str, Any] = {}
    exec(
        source[1].replace("models/digits", "models/iris").replace("Float32Array(64)", "Float32Array(4)"),
        names,
    )
    names["test_a_person_answers"](edge, chain, context)
