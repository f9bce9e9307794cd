"""What the page on operation says is so: its settings load, its proxy asks for a password where people alone should be."""

from __future__ import annotations

import re
from pathlib import Path

from py_edge.node.app import API
from py_edge.node.settings import load_settings

README = (Path(__file__).parents[2] / "py_edge/node/README.md").read_text()
DEVICES = ("devices", "questions", "answers", "examples", "models", "blobs")


def block(kind: str) -> str:
    """The first block of code of this kind."""
    found: str = re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)[0]
    return found


def test_the_settings_file_loads(tmp_path: Path) -> None:
    """Every key of the example is a setting, and nothing in it is refused."""
    file = tmp_path / "py_edge.toml"
    file.write_text(block("toml").replace("/srv/py_edge-site", str(tmp_path)))
    assert load_settings({}, {}, file).name == "site-north"


def test_the_proxy_keeps_the_desk_and_every_lever_for_people() -> None:
    """Each route either serves devices, tells of health or of the interface, or stands behind the password; none both."""
    guarded = re.compile(re.findall(r"location ~ (\S+) \{", block("nginx"))[0])
    for path in (route.path for route in API):  # type: ignore[attr-defined]
        filled = re.sub(r"\{[^}]*\}", "x", path)
        lever = path.endswith(("/retrain", "/rollback"))
        device = path.startswith(tuple(f"/v1/{word}" for word in DEVICES)) and not lever
        assert bool(guarded.match(filled)) != (device or path in ("/healthz", "/readyz", "/openapi.json")), (
            path
        )
    assert all(guarded.match(page) for page in ("/desk", "/desk.html", "/dashboard", "/dashboard.html"))
