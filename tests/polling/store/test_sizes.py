"""Sizes: what is of waves and what is of draws."""

from polling.store.sizes import stored_bytes

from .conftest import NOW, small_bundle
