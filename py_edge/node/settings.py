"""What a node is told: flags win over the environment (PY_EDGE_*), the environment over a TOML file.

Tokens never have a default: without one the node answers only this machine.
"""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py_edge.errors import EnvironmentProblem

PREFIX = "PY_EDGE_"


def setting(default: Any, meaning: str, least: float = -math.inf, most: float = math.inf) -> Any:
    """A field of Settings: its default, what it does (`py-edge serve --help` shows both), and a number's range."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "range": (least, most)})


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; each field is also `PY_EDGE_<NAME>`, a key of the TOML file and a flag of serve."""

    name: str = setting("site", "name of this node, unique along the chain; stands in hops")
    level: int = setting(1, "tier number: 0 is the device, then upward", least=0)
    data: str = setting("memory:", "folder for database and blobs, or memory:")
    database: str = setting(
        "", "postgresql+psycopg://… instead of SQLite in the data folder (with a password: PY_EDGE_DATABASE)"
    )
    parent: str = setting("", "URL of the next tier; without one, questions end at the desk here")
    parent_token: str = setting("", "secret that the parent wants")
    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8600, "port to listen on; 0 takes a free one", least=0, most=65535)
    token: str = setting("", "secret that callers from other machines must bring")
    require_token: bool = setting(False, "callers on this machine must bring it too")
    origins: tuple[str, ...] = setting((), "other web origins whose pages may call, with commas")
    hosts: tuple[str, ...] = setting(
        (),
        "names, with commas, under which a proxy on this machine sends requests without a token; it checks who calls",
    )
    site_dir: str = setting("", "folder of the built site to serve")
    threads: int = setting(1, "threads of one prediction of the model here, at most", least=1)
    body_limit_bytes: int = setting(1 << 20, "largest request body; above it 413", least=1)
    outbox_limit: int = setting(10_000, "waiting questions; above it new ones are refused with 503", least=1)
    rate_per_s: float = setting(0.0, "questions per second and asker; 0 sets no limit", least=0)
    retrain_after: int = setting(50, "new examples that start a retraining", least=1)
    retrain_every_s: float = setting(3600.0, "seconds after which fewer examples start one too", least=0)
    audit_share: float = setting(
        0.0, "share of this node's own sure answers that a person checks", least=0, most=1
    )
    votes_least: int = setting(1, "fewest votes that make a verdict", least=1)
    votes_most: int = setting(1, "votes after which the likeliest label stands", least=1)
    votes_sure: float = setting(0.90, "probability at which a label stands before that", least=0, most=1)
    seed: int = setting(0, "seed of retraining")
    log: str = setting("text", "text: what goes wrong, for people; json: a line for every step of a question")


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Put the sources together; None among the flags means "not given". Raises EnvironmentProblem with a remedy."""
    environment = os.environ if environment is None else environment
    found: dict[str, Any] = {}
    known = {field.name: field for field in dataclasses.fields(Settings)}
    for source, values in (
        (str(file), _read_file(file)),
        (
            "environment",
            {k[len(PREFIX) :].lower(): v for k, v in environment.items() if k.startswith(PREFIX)},
        ),
        ("flags", {k: v for k, v in flags.items() if v is not None}),
    ):
        for name, value in values.items():
            if name not in known:
                if source == "environment":
                    continue  # other parts of py_edge read PY_EDGE_* too
                raise EnvironmentProblem(
                    "there is no such setting", where=source, got=name, want=", ".join(sorted(known))
                )
            found[name] = _convert(value, known[name].default, f"{source}: {name}")
    settings = Settings(**found)
    _check(settings)
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    return host in ("localhost", "::1", "[::1]") or host.startswith("127.")


def check_range(name: str, value: Any, least: float, most: float = math.inf) -> None:
    """Raises EnvironmentProblem for a number outside of [least, most] or NaN; what is no number passes."""
    if isinstance(value, (int, float)) and not least <= value <= most:
        want = f"{least} to {most}" if math.isfinite(most) else f"at least {least}"
        raise EnvironmentProblem("out of range", where=name, got=str(value), want=want)


def _check(settings: Settings) -> None:
    for field in dataclasses.fields(settings):
        check_range(field.name, getattr(settings, field.name), *field.metadata["range"])
    if settings.votes_most < settings.votes_least:
        raise EnvironmentProblem(
            "the most votes are fewer than the fewest", where="votes_most", got=settings.votes_most,
            want=f"at least votes_least, {settings.votes_least}",
        )  # fmt: skip
    if settings.site_dir and not Path(settings.site_dir).is_dir():
        raise EnvironmentProblem(
            "there is no such folder",
            where="site_dir",
            got=settings.site_dir,
            remedy="make it with py-edge bundle -o DIR",
        )
    if not is_loopback(settings.host) and not settings.token:
        raise EnvironmentProblem(
            "a node that others can reach needs a token", where="host", got=settings.host, want="127.0.0.1",
            remedy="set PY_EDGE_TOKEN to a long random secret, or stay on loopback",
        )  # fmt: skip
    if settings.token and len(settings.token) < 16:
        raise EnvironmentProblem("the token is too short", where="token", want="at least 16 characters")
    if settings.log not in ("text", "json"):
        raise EnvironmentProblem("no such log", where="log", got=settings.log, want="text or json")
    if settings.database and not settings.database.startswith("postgresql+psycopg://"):
        raise EnvironmentProblem(
            "not a database that we know", where="database", want="postgresql+psycopg://…",
            remedy="leave it away to use SQLite in the data folder",
        )  # fmt: skip
    if settings.parent and not settings.parent.startswith(("http://", "https://")):
        raise EnvironmentProblem(
            "the parent is not a URL", where="parent", got=settings.parent, want="http(s)://…"
        )


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise EnvironmentProblem(f"cannot read the settings: {error}", where=str(file)) from error


def _convert(value: Any, default: Any, where: str) -> Any:
    try:
        if isinstance(default, bool):
            return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")
        if isinstance(default, tuple):
            return tuple(value.split(",")) if isinstance(value, str) else tuple(value)
        return type(default)(value)
    except (TypeError, ValueError) as error:
        raise EnvironmentProblem("not a value for this setting", where=where, got=str(value)) from error
