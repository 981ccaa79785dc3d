"""Keep a secret in the database so that the database alone does not tell it.

AES-256-GCM under a key of the secrets file. What it belongs to is bound to it: moved to another row, it stays closed.

    sealed = nonce (12 bytes) || AES-256-GCM(key, nonce, secret, associated data = what it belongs to)
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from polling.errors import SecretsError

__all__ = ["seal", "unseal"]

_NONCE_BYTES = 12


def seal(secret: bytes, *, key: bytes, of: str) -> bytes:
    """Encrypt a secret of something.

    Parameters
    ----------
    key
        32 bytes.
    of
        Names what it belongs to.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, of.encode())


def unseal(sealed: bytes, *, key: bytes, of: str) -> bytes:
    """The secret again.

    Raises
    ------
    SecretsError
        If it was sealed under another key, for something else, or was changed.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], of.encode())
    except (InvalidTag, ValueError):
        raise SecretsError(
            "A secret of the database was encrypted with another key than the secrets file has. Restore that file from "
            "its own backup."
        ) from None
