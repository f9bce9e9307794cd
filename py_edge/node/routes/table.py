"""The status as plain HTML tables, for a browser without JavaScript: made from what `/v1/status` says, nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from py_edge.node.routes.status import status_of
from py_edge.node.site import HEADERS
from py_edge.node.wire import NO_STORE, node_of

REFRESH_S = 5
UNIT = re.compile(r"_(m?s)$")
A_DATE_MS = 10**12  # what is less is a length of time
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:1rem}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .75rem}td{overflow-wrap:anywhere}"
    "caption{font-weight:700;text-align:left;white-space:nowrap;padding-top:.75rem}"
)


async def get_table(request: Request) -> Response:
    """The status as HTML tables that load themselves again every five seconds."""
    status = await status_of(node_of(request))
    plain = {name: value for name, value in status.items() if not isinstance(value, (dict, list))}
    rest = {name: value for name, value in status.items() if isinstance(value, (dict, list))}
    tables = "".join(_table(name, value) for name, value in {str(status["name"]): plain, **rest}.items())
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Status of {escape(str(status["name"]))}</title>'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><main><h1>Status</h1>{tables}</main></body></html>"
    )
    return HTMLResponse(page, headers={**HEADERS, **NO_STORE})  # an isolated page frames only isolated ones


def _table(name: str, value: Any) -> str:
    rows = value.items() if isinstance(value, dict) else enumerate(value, 1)
    cells = "".join(
        f'<tr><th scope="row">{_words(key)}</th><td>{_text(fact, key)}</td></tr>' for key, fact in rows
    )
    return (
        f"<table><caption>{_words(name)}</caption><tbody>{cells or '<tr><td>none</td></tr>'}</tbody></table>"
    )


def _text(fact: Any, name: Any = "") -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{_words(key)} {_text(each, key)}" for key, each in fact.items())
    if fact in (None, ""):
        return "none"
    unit = UNIT.search(str(name))
    if unit and unit[1] == "ms" and fact > A_DATE_MS:
        return f"{datetime.fromtimestamp(fact / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return escape(f"{fact} {unit[1]}" if unit else str(fact))


def _words(name: Any) -> str:
    return escape(UNIT.sub("", str(name)).replace("_", " "))
