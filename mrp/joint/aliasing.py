"""What the interviews on several questions do not support, in words."""

from collections.abc import Mapping

import polars as pl

from mrp.aliasing import unsupported
from mrp.joint.design import JointDesign

__all__ = ["joint_warnings"]


def joint_warnings(design: JointDesign, counts: Mapping[str, pl.DataFrame]) -> list[str]:
    """As `mrp.aliasing.unsupported` says it of each question; what goes for all of them once."""
    said = {question: unsupported(one, counts[question]) for question, one in design.designs.items()}
    texts = dict.fromkeys(text for of in said.values() for text in of)
    found = []
    for text in texts:
        of = [question for question, own in said.items() if text in own]
        found.append(text if len(of) == len(said) else f"{', '.join(of)}: {text}")
    return found
