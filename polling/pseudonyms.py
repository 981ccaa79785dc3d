"""Replace respondent ids by pseudonyms at the door.

    pseudonym = first 128 bits of HMAC-SHA256(key of the survey, id), in hexadecimal

The same respondent has the same pseudonym in every wave of a survey and unrelated ones in different surveys. Without
the key, which lies outside database and backups, a guessed id cannot be confirmed.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import polars as pl

__all__ = ["pseudonymise"]

_BLOCK = 64  # bytes that SHA-256 hashes at a time
_MANY = 50_000
"""From so many ids on loading the compiled hash pays; fewer are hashed in less time than that takes."""
_HEX_CHARACTERS = 32  # 128 bits: two of a billion respondents collide with probability 1e-21


def pseudonymise(respondents: pl.Series, key: bytes) -> pl.Series:
    """Pseudonyms of respondent ids, in the same order and under the same name.

    Parameters
    ----------
    respondents
        Ids as text, exactly as received; null stays null.
    key
        The survey's pseudonym key, at least 16 bytes.

    Raises
    ------
    ValueError
        If the key is too short to keep a secret.
    """
    if len(key) < 16:
        raise ValueError(f"a pseudonym key has 16 bytes or more, got {len(key)}")
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\x00")
    return (_hashed_compiled if len(respondents) >= _MANY else _hashed)(respondents, block)


def _hashed(respondents: pl.Series, block: bytes) -> pl.Series:
    # HMAC is sha256(key ^ opad | sha256(key ^ ipad | id)). What is hashed of the key is the same for all ids; copying
    # it takes half the time of `hmac.digest`.
    inner_of_key, outer_of_key = (hashlib.sha256(bytes(byte ^ pad for byte in block)).copy for pad in (0x36, 0x5C))

    digests: list[bytes | None] = []
    for one in respondents.cast(pl.Binary).to_list():
        if one is None:
            digests.append(None)
            continue
        inner, outer = inner_of_key(), outer_of_key()
        inner.update(one)
        outer.update(inner.digest())
        digests.append(outer.digest())
    hashed = pl.Series(respondents.name, digests, dtype=pl.Binary)
    return hashed.bin.encode("hex").str.head(_HEX_CHARACTERS)


def _hashed_compiled(respondents: pl.Series, block: bytes) -> pl.Series:
    """The same for a large wave, on all cores."""
    import pyarrow as pa

    from polling.pseudonym_kernel import hmac_hex

    texts = respondents.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    _, places, content = texts.buffers()
    n = len(texts)
    offsets = np.frombuffer(places, dtype=np.int64, count=n + 1, offset=8 * texts.offset)
    octets = np.frombuffer(content or b"", dtype=np.uint8)
    key = np.frombuffer(block, dtype=np.uint8)
    digits = np.empty((n, _HEX_CHARACTERS), dtype=np.uint8)
    cuts = np.linspace(0, n, (os.cpu_count() or 1) + 1, dtype=int)
    with ThreadPoolExecutor(len(cuts) - 1) as threads:
        parts = [(offsets[start : end + 1], digits[start:end]) for start, end in pairwise(cuts)]
        list(threads.map(lambda part: hmac_hex(key, octets, *part), parts))
    ends = np.arange(0, digits.size + 1, _HEX_CHARACTERS, dtype=np.int64)
    hexadecimal = pa.LargeStringArray.from_buffers(n, pa.py_buffer(ends), pa.py_buffer(digits))
    hashed = pl.Series(respondents.name, hexadecimal)
    return hashed.set(respondents.is_null(), None) if respondents.null_count() else hashed
