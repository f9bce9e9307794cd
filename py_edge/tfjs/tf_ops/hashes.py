"""The hashes that TensorFlow's string ops are defined by.

FarmHash Fingerprint64: Google's farmhash.cc, namespace farmhashna (Geoff Pike, MIT licence), rewritten for Python's
whole numbers. SipHash-2-4: Aumasson and Bernstein 2012. Crossing: tensorflow/core/platform/fingerprint.h, FingerprintCat64.
"""

from __future__ import annotations

from collections.abc import Sequence

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _fetch(s: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(s[at : at + size], "little")


def _rotate(v: int, by: int) -> int:
    return ((v >> by) | (v << (64 - by))) & _MASK


def _shift_mix(v: int) -> int:
    return (v ^ (v >> 47)) & _MASK


def _len16(u: int, v: int, mul: int) -> int:
    a = ((u ^ v) * mul) & _MASK
    a ^= a >> 47
    b = ((v ^ a) * mul) & _MASK
    b ^= b >> 47
    return (b * mul) & _MASK


def _up_to_16(s: bytes) -> int:
    n = len(s)
    if n >= 8:
        mul = (_K2 + n * 2) & _MASK
        a = (_fetch(s, 0) + _K2) & _MASK
        b = _fetch(s, n - 8)
        c = (_rotate(b, 37) * mul + a) & _MASK
        d = ((_rotate(a, 25) + b) * mul) & _MASK
        return _len16(c, d, mul)
    if n >= 4:
        mul = (_K2 + n * 2) & _MASK
        return _len16((n + (_fetch(s, 0, 4) << 3)) & _MASK, _fetch(s, n - 4, 4), mul)
    if n > 0:
        y = s[0] + (s[n >> 1] << 8)
        z = n + (s[n - 1] << 2)
        return (_shift_mix((y * _K2 ^ z * _K0) & _MASK) * _K2) & _MASK
    return _K2


def _up_to_32(s: bytes) -> int:
    n = len(s)
    mul = (_K2 + n * 2) & _MASK
    a, b = (_fetch(s, 0) * _K1) & _MASK, _fetch(s, 8)
    c, d = (_fetch(s, n - 8) * mul) & _MASK, (_fetch(s, n - 16) * _K2) & _MASK
    u = (_rotate((a + b) & _MASK, 43) + _rotate(c, 30) + d) & _MASK
    return _len16(u, (a + _rotate((b + _K2) & _MASK, 18) + c) & _MASK, mul)


def _up_to_64(s: bytes) -> int:
    n = len(s)
    mul = (_K2 + n * 2) & _MASK
    a, b = (_fetch(s, 0) * _K2) & _MASK, _fetch(s, 8)
    c, d = (_fetch(s, n - 8) * mul) & _MASK, (_fetch(s, n - 16) * _K2) & _MASK
    y = (_rotate((a + b) & _MASK, 43) + _rotate(c, 30) + d) & _MASK
    z = _len16(y, (a + _rotate((b + _K2) & _MASK, 18) + c) & _MASK, mul)
    e, f = (_fetch(s, 16) * mul) & _MASK, _fetch(s, 24)
    g, h = ((y + _fetch(s, n - 32)) * mul) & _MASK, ((z + _fetch(s, n - 24)) * mul) & _MASK
    u = (_rotate((e + f) & _MASK, 43) + _rotate(g, 30) + h) & _MASK
    return _len16(u, (e + _rotate((f + a) & _MASK, 18) + g) & _MASK, mul)


def _weak32(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_fetch(s, at + 8 * i) for i in range(4))
    a = (a + w) & _MASK
    b = _rotate((b + a + z) & _MASK, 21)
    c = a
    a = (a + x + y) & _MASK
    b = (b + _rotate(a, 44)) & _MASK
    return (a + z) & _MASK, (b + c) & _MASK


def fingerprint64(s: bytes) -> int:
    """64 bits, the same on every machine."""
    n = len(s)
    if n <= 16:
        return _up_to_16(s)
    if n <= 32:
        return _up_to_32(s)
    if n <= 64:
        return _up_to_64(s)
    x, y = 81, (81 * _K1 + 113) & _MASK
    z = (_shift_mix((y * _K2 + 113) & _MASK) * _K2) & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _fetch(s, 0)) & _MASK
    end = ((n - 1) // 64) * 64
    last = end + ((n - 1) & 63) - 63
    at = 0
    while at != end:
        x = (_rotate((x + y + v[0] + _fetch(s, at + 8)) & _MASK, 37) * _K1) & _MASK
        y = (_rotate((y + v[1] + _fetch(s, at + 48)) & _MASK, 42) * _K1) & _MASK
        x ^= w[1]
        y = (y + v[0] + _fetch(s, at + 40)) & _MASK
        z = (_rotate((z + w[0]) & _MASK, 33) * _K1) & _MASK
        v = _weak32(s, at, (v[1] * _K1) & _MASK, (x + w[0]) & _MASK)
        w = _weak32(s, at + 32, (z + w[1]) & _MASK, (y + _fetch(s, at + 16)) & _MASK)
        z, x = x, z
        at += 64
    mul = (_K1 + ((z & 0xFF) << 1)) & _MASK
    at = last
    w = ((w[0] + ((n - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x = (_rotate((x + y + v[0] + _fetch(s, at + 8)) & _MASK, 37) * mul) & _MASK
    y = (_rotate((y + v[1] + _fetch(s, at + 48)) & _MASK, 42) * mul) & _MASK
    x ^= (w[1] * 9) & _MASK
    y = (y + v[0] * 9 + _fetch(s, at + 40)) & _MASK
    z = (_rotate((z + w[0]) & _MASK, 33) * mul) & _MASK
    v = _weak32(s, at, (v[1] * mul) & _MASK, (x + w[0]) & _MASK)
    w = _weak32(s, at + 32, (z + w[1]) & _MASK, (y + _fetch(s, at + 16)) & _MASK)
    z, x = x, z
    first = (_len16(v[0], w[0], mul) + _shift_mix(y) * _K0 + z) & _MASK
    return _len16(first, (_len16(v[1], w[1], mul) + x) & _MASK, mul)


def siphash(text: bytes, key0: int, key1: int) -> int:
    """64 bits of SipHash-2-4."""
    v0, v1 = key0 ^ 0x736F6D6570736575, key1 ^ 0x646F72616E646F6D
    v2, v3 = key0 ^ 0x6C7967656E657261, key1 ^ 0x7465646279746573
    full = len(text) // 8 * 8
    last = text[full:] + bytes(7 - len(text) % 8) + bytes([len(text) & 0xFF])
    for at in range(0, full + 8, 8):
        m = _fetch(text, at) if at < full else _fetch(last, 0)
        v0, v1, v2, v3 = _sip_rounds(v0, v1, v2, v3 ^ m, 2)
        v0 ^= m
    v0, v1, v2, v3 = _sip_rounds(v0, v1, v2 ^ 0xFF, v3, 4)
    return v0 ^ v1 ^ v2 ^ v3


def _sip_rounds(v0: int, v1: int, v2: int, v3: int, times: int) -> tuple[int, int, int, int]:
    def left(v: int, by: int) -> int:
        return _rotate(v, 64 - by)

    for _ in range(times):
        v0, v2 = (v0 + v1) & _MASK, (v2 + v3) & _MASK
        v1, v3 = left(v1, 13) ^ v0, left(v3, 16) ^ v2
        v0, v2 = (left(v0, 32) + v3) & _MASK, (v2 + v1) & _MASK
        v1, v3 = left(v1, 17) ^ v2, left(v3, 21) ^ v0
        v2 = left(v2, 32)
    return v0, v1, v2, v3


def crossed(tokens: Sequence[bytes | int]) -> int:
    """SparseCross' hash of one row: whole numbers count as they are, words by their fingerprints."""
    mul, joined = 0xC6A4A7935BD1E995, 0xDECAFCAFFE
    for token in tokens:
        code = fingerprint64(token) if isinstance(token, bytes) else token & _MASK
        mixed = (_shift_mix((code * mul) & _MASK) * mul) & _MASK
        joined = ((joined ^ mul ^ mixed) * mul) & _MASK
        joined = _shift_mix((_shift_mix(joined) * mul) & _MASK)
    return joined
