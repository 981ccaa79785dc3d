import hashlib
import hmac

import polars as pl
import pytest

from polling.pseudonyms import pseudonymise

KEY = b"k" * 32


def test_a_pseudonym_is_the_first_half_of_the_keyed_hash():
    expected = hmac.new(KEY.hex().encode(), "R-1é".encode(), hashlib.sha256).hexdigest()[:32]

    assert pseudonymise(pl.Series("id", ["R-1é"]), KEY).to_list() == [expected]


@pytest.mark.parametrize("length", [16, 64, 65, 200])
def test_a_key_of_any_length_makes_the_standard_hash(length: int):
    key = bytes(range(length))

    assert pseudonymise(pl.Series(["é"]), key)[0] == hmac.digest(key.hex().encode(), "é".encode(), "sha256").hex()[:32]


def test_many_ids_of_any_length_have_the_same_pseudonyms():
    # Lengths around the blocks of SHA-256, characters of several bytes, blanks in between.
    few = [None if n % 97 == 0 else "é" * (n % 3) + "7" * (n % 190) + chr(0x1F5F3 + n % 11) for n in range(601)]
    many = pl.Series("id", few * 100)

    result = pseudonymise(many[37:], KEY)

    assert result.name == "id"
    assert result.to_list() == (pseudonymise(pl.Series(few), KEY).to_list() * 100)[37:]


def test_order_name_length_and_blanks_stay():
    result = pseudonymise(pl.Series("id", ["a", None, "a", "b"]), KEY)

    assert result.name == "id"
    assert result[0] == result[2] != result[3]
    assert result[1] is None


def test_no_respondents_have_no_pseudonyms():
    assert pseudonymise(pl.Series("id", [], dtype=pl.String), KEY).dtype == pl.String


def test_another_survey_has_unrelated_pseudonyms():
    ids = pl.Series("id", ["a"])

    assert pseudonymise(ids, KEY)[0] != pseudonymise(ids, b"l" * 32)[0]


def test_a_short_key_keeps_no_secret():
    with pytest.raises(ValueError, match="16 bytes"):
        pseudonymise(pl.Series("id", ["a"]), b"short")
