"""Settings: which source wins, and what is refused with the name of the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.errors import EnvironmentProblem
from py_edge.node.settings import load_settings


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each source fills what a stronger one leaves open; words of the environment become the setting's type."""
    file = tmp_path / "node.toml"
    file.write_text('name = "file"\nlevel = 3\nseed = 4\nhosts = ["a", "b"]\n')
    environment = {"PY_EDGE_NAME": "environment", "PY_EDGE_LEVEL": "2", "PY_EDGE_CHAOS": "not a setting"}

    found = load_settings({"name": "flag", "level": None}, environment, file)

    assert (found.name, found.level, found.seed, found.hosts) == ("flag", 2, 4, ("a", "b"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": 70000}, "port: out of range (got 70000, want 0 to 65535)"),
        ({"threads": 0}, "threads: out of range (got 0, want at least 1)"),
        ({"audit_share": 1.5}, "audit_share: out of range"),
        ({"votes_sure": "nan"}, "votes_sure: out of range (got nan"),
        ({"votes_least": 3}, "votes_most: the most votes are fewer than the fewest (got 1, want at least votes_least, 3)"),
        ({"site_dir": "/nowhere"}, "site_dir: there is no such folder (got /nowhere); make it with py-edge bundle -o"),
        ({"colour": "red"}, "there is no such setting"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(flags: dict[str, object], words: str) -> None:
    """The error says which setting, what came and what was wanted."""
    with pytest.raises(EnvironmentProblem) as refused:
        load_settings(flags, {})

    assert words in str(refused.value)
