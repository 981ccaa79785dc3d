"""HMAC-SHA256 (FIPS 180-4, 198-1) of a million short texts, compiled and free of Python's lock.

``hashlib`` takes several times as long: with texts of ten bytes its cost is that of six calls for each. Importing this
module imports numba; the machine code is cached on disk.
"""

import math

import numba as nb
import numpy as np

__all__ = ["HEX_CHARACTERS", "hmac_hex"]

HEX_CHARACTERS = 32
"""Of each hash: the first 128 bits."""
_BLOCK = 64  # bytes that SHA-256 hashes at a time
_PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, math.isqrt(n) + 1))]


def _root_bits(prime: int, degree: int) -> int:
    """The first 32 bits of the fractional part of a square or cube root, of which the standard makes its constants."""
    scaled = prime << (32 * degree)
    root: int = round(scaled ** (1 / degree))
    while root**degree > scaled:
        root -= 1
    while (root + 1) ** degree <= scaled:
        root += 1
    return root & 0xFFFFFFFF


_START = np.array([_root_bits(prime, 2) for prime in _PRIMES[:8]], dtype=np.uint32)
_ROUND = np.array([_root_bits(prime, 3) for prime in _PRIMES], dtype=np.uint32)
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@nb.njit(inline="always")
def _rotated(x, n):
    # Numba adds and shifts in 64 bits.
    return np.uint32((x >> np.uint32(n)) | (x << np.uint32(32 - n)))


@nb.njit(nogil=True)
def _compress(state, words):
    """Hash one block into ``state`` (8 words); ``words`` are 64, of which the first 16 are the block."""
    for t in range(16, 64):
        x, y = words[t - 15], words[t - 2]
        small_0 = _rotated(x, 7) ^ _rotated(x, 18) ^ (x >> np.uint32(3))
        small_1 = _rotated(y, 17) ^ _rotated(y, 19) ^ (y >> np.uint32(10))
        words[t] = words[t - 16] + small_0 + words[t - 7] + small_1
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for t in range(64):
        large_1 = _rotated(e, 6) ^ _rotated(e, 11) ^ _rotated(e, 25)
        first = np.uint32(h + large_1 + ((e & f) ^ (~e & g)) + _ROUND[t] + words[t])
        large_0 = _rotated(a, 2) ^ _rotated(a, 13) ^ _rotated(a, 22)
        second = np.uint32(large_0 + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e, d, c, b, a = g, f, e, np.uint32(d + first), c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@nb.njit(nogil=True)
def _of_key(block, pad, words):
    """The state after the block of the key, which is the same for all texts."""
    for i in range(16):
        words[i] = np.uint32(0)
        for j in range(4):
            words[i] = (words[i] << np.uint32(8)) | np.uint32(block[4 * i + j] ^ pad)
    state = _START.copy()
    _compress(state, words)
    return state


@nb.njit(nogil=True)
def _load(words, octets, number):
    """Block ``number`` of a text that follows the block of the key, with the padding behind its end."""
    length = octets.shape[0]
    for i in range(16):
        word = np.uint32(0)
        place = number * _BLOCK + 4 * i
        for j in range(place, place + 4):
            octet = np.uint32(octets[j]) if j < length else np.uint32(0x80 if j == length else 0)
            word = np.uint32((word << np.uint32(8)) | octet)
        words[i] = word
    if number == (length + 8) // _BLOCK:  # the last
        words[14], words[15] = np.uint32((_BLOCK + length) >> 29), np.uint32(((_BLOCK + length) << 3) & 0xFFFFFFFF)


def _cached(function):
    """Compile at the first call; where the machine code cannot be kept, in every process again."""
    try:
        return nb.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written to
        return nb.njit(nogil=True)(function)


@_cached
def hmac_hex(block, octets, offsets, digits):
    """Write the first 128 bits of HMAC-SHA256 of each text, as hexadecimal digits.

    Parameters
    ----------
    block
        The key, padded with zeros to 64 bytes (uint8); of a longer key its SHA-256, padded.
    octets, offsets
        Texts one after the other (uint8), and where each begins and the last ends (int64), shape (text + 1,).
    digits
        Receives the digits (uint8), shape (text, 32).
    """
    words = np.empty(64, np.uint32)
    of_inner, of_outer = _of_key(block, 0x36, words), _of_key(block, 0x5C, words)
    state = np.empty(8, np.uint32)
    for one in range(digits.shape[0]):
        text = octets[offsets[one] : offsets[one + 1]]
        state[:] = of_inner
        for number in range((text.shape[0] + 8) // _BLOCK + 1):
            _load(words, text, number)
            _compress(state, words)
        words[:8] = state
        words[8] = np.uint32(0x80000000)
        words[9:15] = np.uint32(0)
        words[15] = np.uint32(8 * (_BLOCK + 32))
        state[:] = of_outer
        _compress(state, words)
        for k in range(HEX_CHARACTERS):
            digits[one, k] = _DIGITS[(state[k >> 3] >> np.uint32(28 - 4 * (k & 7))) & np.uint32(15)]
