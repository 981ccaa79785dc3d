"""Replace respondent ids by pseudonyms at the door.

    pseudonym = first 128 bits of HMAC-SHA256(key of the survey, id), in hexadecimal; the key as hexadecimal text

The same respondent has the same pseudonym in every wave of a survey and unrelated ones in different surveys. Without
the key, which lies outside database and backups, a guessed id cannot be confirmed.
"""

import os

import polars as pl

__all__ = ["pseudonymise"]

_HEX_CHARACTERS = 32  # 128 bits: two of a billion respondents collide with probability 1e-21
_PART = 50_000
"""Ids from which on another core pays."""


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
    import polars_hash

    ids = respondents.cast(pl.String).alias("id").to_frame().lazy()
    hashed = polars_hash.col("id").chash.hmac_sha256(key=key.hex()).str.head(_HEX_CHARACTERS)
    size = max(_PART, -(-len(respondents) // (os.cpu_count() or 1)))
    parts = [ids.slice(start, size).select(hashed) for start in range(0, max(len(respondents), 1), size)]
    return pl.concat(pl.collect_all(parts)).to_series().alias(respondents.name)
