"""What is said of the pictures of a release's fit."""

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["FigureList", "FigurePayload"]


class FigurePayload(msgspec.Struct, frozen=True):
    """One picture of a fit."""

    name: Annotated[str, Meta(description="Its name in the URL.")]
    title: Annotated[str, Meta(description="What it asks, in a line.")]
    caption: Annotated[str, Meta(description="What is to be seen in it and what it should look like, in plain words.")]
    alt: Annotated[str, Meta(description="A text in its place, for whoever does not see it.")]
    url: Annotated[str, Meta(description="Where it is, as SVG.")]


class FigureList(msgspec.Struct, frozen=True):
    """The pictures of a release's fit."""

    release_id: Annotated[str, Meta(description="The release's id.")]
    engine: Annotated[str, Meta(description="How the model was fitted: laplace or nuts.")]
    figures: Annotated[list[FigurePayload], Meta(description="Empty once the draws of the release are gone.")]
