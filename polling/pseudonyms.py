"""Replace respondent ids by pseudonyms at the door.

    pseudonym = first 128 bits of HMAC-SHA256(key of the survey, id), in hexadecimal

The same respondent has the same pseudonym in every wave of a survey and unrelated ones in different surveys. Without
the key, which lies outside database and backups, a guessed id cannot be confirmed.
"""

import hmac

import polars as pl

__all__ = ["pseudonymise"]

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
    values = [
        None if text is None else hmac.digest(key, text.encode(), "sha256").hex()[:_HEX_CHARACTERS]
        for text in respondents
    ]
    return pl.Series(respondents.name, values, dtype=pl.String)
