"""Numbers that states and banks give to persons, recognised by their check digits.

Each recogniser takes a text without spaces at its ends and says whether it is such a number. A number of nine digits
passes a single check digit once in ten times, so a column is judged by the share that passes, never one value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

__all__ = ["FORMS", "luhn"]

_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"  # of the Spanish DNI
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (cards, Swedish personal numbers)."""
    doubled = (int(digit) * (2 - (place % 2 == 0)) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    return (
        digits.isdecimal() and 13 <= len(digits) <= 19 and digits[0] in "3456" and len(set(digits)) > 2 and luhn(digits)
    )


def _iban(text: str) -> bool:
    joined = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", joined):
        return False
    return int("".join(str(int(one, 36)) for one in joined[4:] + joined[:4])) % 97 == 1


def _us_ssn(text: str) -> bool:
    return re.fullmatch(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", text) is not None


def _uk_nino(text: str) -> bool:
    return re.fullmatch(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", text.upper()) is not None


def _es_dni(text: str) -> bool:
    found = re.fullmatch(r"(\d{8}|[XYZ]\d{7})-?([A-Z])", text.upper())
    if found is None:
        return False
    # The letter of a foreigner's number stands for a digit.
    number = int(found[1].translate(str.maketrans("XYZ", "012")))
    return _LETTERS[number % 23] == found[2]


def _fr_nir(text: str) -> bool:
    joined = text.replace(" ", "").upper()
    if not re.fullmatch(r"[12]\d{4}(\d\d|2A|2B)\d{8}", joined):
        return False
    return int(joined[13:]) == 97 - int(joined[:13].replace("2A", "19").replace("2B", "18")) % 97


def _it_fiscale(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", text.upper()) is not None


def _pl_pesel(text: str) -> bool:
    if not re.fullmatch(r"\d{11}", text) or not _is_day(text[4:6], str(int(text[2:4]) % 20)):
        return False
    return (
        sum(int(digit) * weight for digit, weight in zip(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True)) % 10
        == 0
    )


def _se_personnummer(text: str) -> bool:
    found = re.fullmatch(r"(?:19|20)?(\d{2})(\d{2})(\d{2})[-+]?(\d{4})", text)
    return found is not None and _is_day(found[3], found[2]) and luhn("".join(found.groups()))


def _nl_bsn(text: str) -> bool:
    if not re.fullmatch(r"\d{9}", text) or text == "000000000":
        return False
    return sum(int(digit) * weight for digit, weight in zip(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)) % 11 == 0


def _br_cpf(text: str) -> bool:
    digits = text.replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{11}", digits) or len(set(digits)) == 1:
        return False
    for place in (9, 10):
        total = sum(int(digit) * (place + 1 - at) for at, digit in enumerate(digits[:place]))
        if total * 10 % 11 % 10 != int(digits[place]):
            return False
    return True


def _fi_hetu(text: str) -> bool:
    found = re.fullmatch(r"(\d{2})(\d{2})(\d{2})[-+A-FU-Y](\d{3})([0-9A-Y])", text.upper())
    return (
        found is not None and _is_day(found[1], found[2]) and _HETU[int("".join(found.groups()[:4])) % 31] == found[5]
    )


def _de_tax(text: str) -> bool:
    digits = text.replace(" ", "")
    if not re.fullmatch(r"[1-9]\d{10}", digits):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _dk_cpr(text: str) -> bool:
    found = re.fullmatch(r"(\d{2})(\d{2})\d{2}-\d{4}", text)
    return found is not None and _is_day(found[1], found[2])


def _is_day(day: str, month: str) -> bool:
    try:
        date(2000, int(month), int(day))
    except ValueError:
        return False
    return True


FORMS: Mapping[str, Callable[[str], bool]] = {
    "payment card numbers": _card,
    "bank account numbers": _iban,
    "US social security numbers": _us_ssn,
    "UK national insurance numbers": _uk_nino,
    "Spanish identity numbers": _es_dni,
    "French social security numbers": _fr_nir,
    "Italian fiscal codes": _it_fiscale,
    "Polish personal numbers": _pl_pesel,
    "Swedish personal numbers": _se_personnummer,
    "Dutch citizen numbers": _nl_bsn,
    "Brazilian taxpayer numbers": _br_cpf,
    "Finnish personal numbers": _fi_hetu,
    "German tax numbers": _de_tax,
    "Danish personal numbers": _dk_cpr,
}
"""What the numbers are -> whether a text is one."""
