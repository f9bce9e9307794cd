"""The wire between two kernels does what was asked of it: measured with UDP and TCP through their own stacks."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import namespaces, wire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (namespaces.possible() and wire.possible()),
        reason="needs root, network namespaces and TUN devices",
    ),
]
COUNT = 500  # as many as wait in a TUN device, however busy the machine is
PORT, QUIET_S, FIRST_S = 5_000, 1.0, 5.0
Arrived = list[tuple[float, int]]


@pytest.fixture
def row() -> Iterator[namespaces.Row]:
    """Two namespaces and a wire."""
    with namespaces.Row(2) as made:
        yield made


def open_socket(row: namespaces.Row, end: int, kind: int) -> socket.socket:
    """A socket of this process in one of the namespaces."""
    with wire.entered(row.names[end]):
        made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.settimeout(30)
    return made


def exchange(row: namespaces.Row, words: str) -> Arrived:
    """Numbered datagrams down a wire with these faults: how long each that arrived took, and its number."""
    row.lay(0, words)
    arrived: Arrived = []
    with open_socket(row, 1, socket.SOCK_DGRAM) as high, open_socket(row, 0, socket.SOCK_DGRAM) as low:
        high.bind((row.address(1), PORT))
        high.settimeout(FIRST_S)
        high.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

        def receive() -> None:
            with contextlib.suppress(TimeoutError):
                while True:
                    sent_at, number = high.recv(100).split()
                    arrived.append((time.monotonic() - float(sent_at), int(number)))
                    high.settimeout(QUIET_S)

        receiver = threading.Thread(target=receive)
        receiver.start()
        for number in range(COUNT):
            low.sendto(b"%f %d" % (time.monotonic(), number), high.getsockname())
            time.sleep(0.001)
        receiver.join()
    return arrived


def test_datagrams_meet_the_faults_that_were_laid(row: namespaces.Row) -> None:
    """Nothing goes wrong by itself; delay, loss, duplicates and order are those asked for; a cut wire carries nothing."""
    calm = exchange(row, "")
    assert sorted(number for _, number in calm) == list(range(COUNT))
    slow = exchange(row, "delay 100ms 20ms")
    assert 0.08 <= min(took for took, _ in slow) < 0.2
    assert len(slow) == COUNT
    lossy = exchange(row, "loss 20% duplicate 10%")
    assert 0.7 < len({number for _, number in lossy}) / COUNT < 0.9  # 0.8, and some of the lost have a copy
    assert len(lossy) > len({number for _, number in lossy})
    mixed = [number for _, number in exchange(row, "delay 50ms reorder 25%")]
    assert 0.05 < sum(later < earlier for earlier, later in itertools.pairwise(mixed)) / COUNT < 0.35
    assert 0.03 < 1 - len(exchange(row, "corrupt 10%")) / COUNT < 0.2  # the checksum of UDP finds each
    assert exchange(row, "loss 100%") == []


def transfer(row: namespaces.Row, words: str, size: int) -> float:
    """Seconds that so many bytes took by TCP; they must be the ones that were sent."""
    row.lay(0, words)
    body = random.Random(0).randbytes(size)
    with open_socket(row, 1, socket.SOCK_STREAM) as listener, open_socket(row, 0, socket.SOCK_STREAM) as low:
        listener.bind((row.address(1), PORT))
        listener.listen()
        begin = time.monotonic()
        low.connect(listener.getsockname())

        def send() -> None:
            low.sendall(body)
            low.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        high, _ = listener.accept()
        with high:
            got = hashlib.sha256()
            while data := high.recv(65_536):
                got.update(data)
        sender.join()
    assert got.hexdigest() == hashlib.sha256(body).hexdigest()
    return time.monotonic() - begin


def tcp_counter(row: namespaces.Row, end: int, name: str) -> int:
    """What the kernel of one end has counted, see proc(5)."""
    with wire.entered(row.names[end]):
        lines = Path("/proc/thread-self/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index(name)])


def test_a_transfer_arrives_whole_over_a_bad_wire(row: namespaces.Row) -> None:
    """TCP repairs what the wire spoils, in its own time: flipped bits, loss, disorder; a slow line takes what it takes."""
    transfer(row, "delay 5ms 3ms loss 2% duplicate 5% reorder 20% corrupt 5%", 600_000)
    assert tcp_counter(row, 0, "RetransSegs") > 0
    assert tcp_counter(row, 1, "InCsumErrors") > 0
    assert transfer(row, "rate 400kbit", 100_000) > 2.0


def test_a_black_hole_and_a_wire_that_is_deaf_one_way(row: namespaces.Row) -> None:
    """Short segments pass and long ones never do; with one way cut a connection is never made; mended, both are well."""
    row.lay(0, "mtu 600")
    with open_socket(row, 1, socket.SOCK_STREAM) as listener, open_socket(row, 0, socket.SOCK_STREAM) as low:
        listener.bind((row.address(1), PORT))
        listener.listen()
        low.connect(listener.getsockname())
        high, _ = listener.accept()
        with high:
            high.settimeout(QUIET_S)
            low.sendall(b"s" * 400)
            assert len(high.recv(2_000)) == 400
            low.sendall(b"l" * 1_200)
            with pytest.raises(TimeoutError):
                high.recv(2_000)
            row.lay(0, "")
            high.settimeout(30)
            assert high.recv(2_000)
        row.lay(0, "loss 100%", (namespaces.DOWN,))
        with open_socket(row, 0, socket.SOCK_STREAM) as unheard:
            unheard.settimeout(QUIET_S)
            with pytest.raises(TimeoutError):
                unheard.connect(listener.getsockname())
        row.lay(0, "")
        with open_socket(row, 0, socket.SOCK_STREAM) as heard:
            heard.connect(listener.getsockname())


@pytest.mark.parametrize("words", [words for words, _ in namespaces.FAULTS.values() if "mtu" not in words])
def test_netem_itself_knows_the_words(row: namespaces.Row, words: str) -> None:
    """`tc` reads what we read (it ends with 1 where it does not; with 2 where this kernel has no netem)."""
    command = ["tc", "-n", row.names[0], "qdisc", "replace", "dev", "lo", "root", "netem"]
    assert subprocess.run([*command, *words.split()], capture_output=True, check=False).returncode in (0, 2)
    assert subprocess.run([*command, "sloss", "5%"], capture_output=True, check=False).returncode == 1
