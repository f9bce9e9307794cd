"""The faults of a wire are the ones that were asked for: counted over many packets, with a seed and a clock of their own."""

from __future__ import annotations

import itertools

import pytest

from tests.chaos.faults import Way, read_faults

COUNT, EVERY_S, SIZE = 20_000, 0.001, 125
Out = list[tuple[float, int, bytes]]


def send(words: str, count: int = COUNT) -> Out:
    """What comes out of numbered packets, one each millisecond: how long it took, its number, its bytes."""
    way = Way("a seed")
    way.lay(words)
    out: Out = []
    for number in range(count):
        way.put(number.to_bytes(4, "big").ljust(SIZE, b"."), number * EVERY_S)
        while (at := way.next_at()) <= (number + 1) * EVERY_S or (number == count - 1 and at < float("inf")):
            out += [(at, int.from_bytes(packet[:4], "big"), packet) for packet in way.due(at)]
    return [(at - number * EVERY_S, number, packet) for at, number, packet in out]


def test_without_faults_everything_comes_at_once_and_in_order() -> None:
    """A wire with nothing laid on it."""
    out = send("", 1_000)
    assert [(took, number) for took, number, _ in out] == [(0.0, number) for number in range(1_000)]


def test_delay_and_jitter() -> None:
    """Each packet takes the delay, more or less the jitter, evenly."""
    took = sorted(took for took, _, _ in send("delay 60ms 40ms"))
    assert len(took) == COUNT
    assert (took[0], took[COUNT // 2], took[-1]) == pytest.approx((0.02, 0.06, 0.1), abs=0.001)


@pytest.mark.parametrize(
    ("words", "share"), [("loss 15%", 0.15), ("gemodel 2% 20%", 1 / 11), ("loss 100%", 1.0)]
)
def test_loss(words: str, share: float) -> None:
    """So many are lost."""
    assert 1 - len(send(words)) / COUNT == pytest.approx(share, abs=0.01)


def test_loss_in_bursts() -> None:
    """Bad stretches have the asked length, others that of chance."""

    def burst(words: str) -> float:
        arrived = {number for _, number, _ in send(words)}
        runs = [
            len(list(run))
            for there, run in itertools.groupby(n in arrived for n in range(COUNT))
            if not there
        ]
        return sum(runs) / len(runs)

    assert burst("loss gemodel 2% 20%") == pytest.approx(5, abs=0.5)
    assert burst("loss 20%") == pytest.approx(1.25, abs=0.05)


def test_duplicates() -> None:
    """So many come twice, and no other."""
    out = send("duplicate 5%")
    assert len(out) / COUNT - 1 == pytest.approx(0.05, abs=0.01)
    assert {number for _, number, _ in out} == set(range(COUNT))


def test_reordering() -> None:
    """So many overtake those that wait."""
    out = send("delay 10ms reorder 25%")
    assert sum(took == 0 for took, _, _ in out) / COUNT == pytest.approx(0.25, abs=0.02)
    assert all(took in (0, pytest.approx(0.01)) for took, _, _ in out[:1_000])
    assert len({number for _, number, _ in out}) == COUNT


def test_corruption() -> None:
    """In so many packets one bit is another."""
    flipped = 0
    for number, (_, _, packet) in enumerate(send("corrupt 2%")):
        want = number.to_bytes(4, "big").ljust(SIZE, b".")
        wrong = (int.from_bytes(packet, "big") ^ int.from_bytes(want, "big")).bit_count()
        assert wrong <= 1
        flipped += wrong
    assert flipped / COUNT == pytest.approx(0.02, abs=0.005)


def test_a_slow_line_sends_one_after_the_other_and_drops_what_it_has_no_room_for() -> None:
    """A packet of 1,000 bits takes 10 ms at 100 kbit/s; ten a packet's time come in, so nine of ten find no room."""
    out = send("rate 100kbit limit 5", 1_000)
    at = [took + number * EVERY_S for took, number, _ in out]
    assert [later - earlier for earlier, later in itertools.pairwise(at)] == [pytest.approx(0.01)] * (
        len(at) - 1
    )
    assert len(out) == pytest.approx(105, abs=3)


def test_a_black_hole_takes_what_is_too_long() -> None:
    """One byte makes the difference."""
    assert send(f"mtu {SIZE}", 10)
    assert not send(f"mtu {SIZE - 1}", 10)


@pytest.mark.parametrize("words", ["delay 60", "loss", "loss 5ms", "15%", "sloss 5%", "delay ms"])
def test_other_words_are_refused(words: str) -> None:
    """A typing error is no calm network."""
    with pytest.raises(ValueError, match=r"neither a fault nor a value|has no value"):
        read_faults(words)
