"""Replace respondent ids by pseudonyms at the door.

    pseudonym = first 128 bits of HMAC-SHA256(key of the survey, id), in hexadecimal

The same respondent has the same pseudonym in every wave of a survey and unrelated ones in different surveys. Without
the key, which lies outside database and backups, a guessed id cannot be confirmed.
"""

import hashlib

import polars as pl

__all__ = ["pseudonymise"]

_BLOCK = 64  # bytes that SHA-256 hashes at a time
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
    # HMAC is sha256(key ^ opad | sha256(key ^ ipad | id)). What is hashed of the key is the same for all ids; copying
    # it takes half the time of `hmac.digest`, which matters with a million of them.
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    inner_of_key, outer_of_key = (
        hashlib.sha256(bytes(byte ^ pad for byte in block.ljust(_BLOCK, b"\x00"))).copy for pad in (0x36, 0x5C)
    )

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
