"""What the commands hear from a node, from something else in its place, and from nobody."""

from __future__ import annotations

import pytest

from py_edge.cli import main
from py_edge.commands.node_client import ask_node
from py_edge.errors import AuthError, NetworkError, ValueRangeError
from tests.node.conftest import Start
from tests.node.raw_server import head, length, raw_server

NOBODY = "http://127.0.0.1:9"
TOKEN = "a long secret for this test"


def test_the_node_s_word_and_its_token(
    start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the token a refusal with the node's own code; with it, or with PY_EDGE_TOKEN, the answer."""
    node = start("site", token=TOKEN, require_token=True)
    with pytest.raises(AuthError):
        ask_node(node.url, "/v1/dead-letters")
    assert ask_node(node.url, "/v1/dead-letters", token=TOKEN) == {"dead_letters": []}
    assert main(["dead-letters", node.url]) == 1
    assert "[E_AUTH]" in capsys.readouterr().err
    monkeypatch.setenv("PY_EDGE_TOKEN", TOKEN)
    assert main(["dead-letters", node.url]) == 0


def test_what_is_no_number_is_wrong_usage() -> None:
    """Told before any node is asked."""
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters", NOBODY, "--replay", "some"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("status", "page"), [("200 OK", b"<!doctype html>"), ("502 Bad Gateway", b"<!doctype html>")]
)
def test_a_page_in_the_node_s_place_is_no_answer(status: str, page: bytes) -> None:
    """A proxy's page, whatever its status, is a NetworkError and no riddle about JSON."""
    reply = head("content-type: text/html", length(len(page)), status=status) + page
    with raw_server(reply) as url, pytest.raises(NetworkError) as told:
        ask_node(url, "/v1/dead-letters")
    assert "JSON" not in told.value.message


def test_nobody_and_no_address() -> None:
    """A port where nobody listens says what to do; what is no URL is told before anything is asked."""
    with pytest.raises(NetworkError, match="start the node"):
        ask_node(NOBODY, "/v1/dead-letters")
    for address in ("127.0.0.1:8600", "file:///etc/passwd"):
        with pytest.raises(ValueRangeError, match="http://"):
            ask_node(address, "/v1/dead-letters")
    with pytest.raises(NetworkError, match="port"):
        ask_node("http://127.0.0.1:port", "/v1/dead-letters")
