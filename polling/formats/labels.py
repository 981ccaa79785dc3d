"""Turn the codes of a labelled column into the words that stand for them, so that no two codes become one.

In SPSS and Stata a column holds codes, and value labels say what they mean. Pollsters declare recodes by what they see
in their own software, which is the label; so a labelled column arrives as labels:

=============================================  ====================================================
a code with a label                            the label: ``Strongly agree``
a code whose label another code has too        the label with the code: ``Other [7]``
a code without a label                         the code: ``3``
a user-missing code with a label               the label: ``Refused``
a user-missing code without one, or whose      ``code:99``: it stands for no number, also where the
label is a number                              question is numeric
system-missing                                 blank
=============================================  ====================================================

A code of which the text is the label of another code is written ``code:3`` as well. `by_code` is the other direction: a
codebook may name ``code:1``, or plainly ``1``, where it does not know the label.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, time
from typing import Any

__all__ = ["CODE", "by_code", "code_text", "texts_of"]

CODE = "code:"


def code_text(code: Any) -> str:
    """A code as a person writes it: 1 and not 1.0, a day and not its midnight."""
    if isinstance(code, float):
        return str(int(code)) if code.is_integer() and abs(code) < 2**53 else repr(code)
    if isinstance(code, datetime):
        return code.date().isoformat() if code.time() == time() else code.isoformat(timespec="seconds")
    return str(code)


def texts_of(codes: Collection[str], labels: Mapping[str, str], *, missing: Collection[str] = ()) -> dict[str, str]:
    """The text of each code of a column, all different.

    Parameters
    ----------
    codes
        The codes that occur, as text; those that have a label may be left out.
    labels
        Code -> label, as the file has them.
    missing
        The codes that were declared to be missing by the user.
    """
    known = {code: label.strip() for code, label in labels.items() if label.strip()}
    shared = {label for label, count in Counter(known.values()).items() if count > 1}
    taken = set(known.values())
    texts: dict[str, str] = {}
    for code in dict.fromkeys((*known, *codes)):
        label = known.get(code)
        if label is None:
            texts[code] = CODE + code if code in missing or code in taken else code
        elif code in missing and _is_number(label):
            texts[code] = CODE + code
        else:
            texts[code] = f"{label} [{code}]" if label in shared else label
    return texts


def by_code(texts: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """What is to be read in place of a text, for the codes that a codebook names instead of the label.

    Parameters
    ----------
    texts
        Code -> text, as `texts_of` gave them.
    names
        Every name in the codebook of the column.

    Returns
    -------
    dict
        Text -> name; only where the codebook does not know the text itself and knows ``code:<code>`` or the code.
    """
    replaced = {}
    for code, text in texts.items():
        found = next((name for name in (CODE + code, code) if name in names), None)
        if text not in names and found is not None:
            replaced[text] = found
    return replaced


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
