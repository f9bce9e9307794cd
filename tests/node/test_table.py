"""The dashboard for a browser without JavaScript."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tests.node.asking import ask, question
from tests.node.conftest import Start


class Cells(HTMLParser):
    """The rows of every table as {header: cell}, by another parser than the one that wrote them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, str] = {}
        self._in, self._head = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in == "th":
            self._head = data
        elif self._in == "td":
            self.rows[self._head] = data


def test_the_table_says_what_the_status_says(start: Start) -> None:
    """Queue, outbox, tasks and states of questions stand in the page as sent."""
    node = start("site")
    for sequence in (1, 2):
        ask(node.http, question(sequence))
    answer = node.http.get("/v1/status/table")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Cells()
    page.feed(answer.text)
    assert (page.rows["queued"], page.rows["tasks open"], page.rows["outbox"]) == ("2", "2", "0")
    assert page.rows["name"] == "site"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.rows["started"])
    assert page.rows["outbox oldest"] == "0 ms"
