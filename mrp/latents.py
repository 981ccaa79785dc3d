"""Posterior draws of the latents: what a release keeps, a few megabytes whatever the size of the frame."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design
from mrp.errors import DrawsError, ShapeMismatch

if TYPE_CHECKING:
    from xarray import DataTree

__all__ = ["LatentDraws", "collect_latents", "from_datatree", "kept_draws"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class LatentDraws:
    """Draws of the linear predictor's latents, in the order of `mrp.design.Design.latent_names`."""

    draws: NDArray[np.float32]
    """On the scale of the link, shape (draw, latent); all draws of the first chain, then of the second, and so on."""
    names: tuple[str, ...]
    n_chains: int = 1
    """Chains of equal length; 1 for independent draws."""
    link: str = "logit"
    format_version: int = FORMAT_VERSION
    points: NDArray[np.int32] | None = None
    """For draws that share standard deviations, as those of `mrp.laplace` do: which ones, shape (draw,)."""
    fit: str = ""
    """Which fit they are of, the same in every estimate made from them: a hash of the draws, made where it is not
    given. Two fits with as many draws are told apart by it."""

    def __post_init__(self) -> None:
        if self.draws.ndim != 2 or self.draws.shape[1] != len(self.names):
            raise ShapeMismatch("draws", f"(draw, {len(self.names)})", self.draws.shape)
        if self.n_chains < 1 or self.draws.shape[0] % self.n_chains:
            raise ShapeMismatch("draws", f"(a multiple of {self.n_chains} chains, latent)", self.draws.shape)
        if self.points is not None and self.points.shape != self.draws.shape[:1]:
            raise ShapeMismatch("points", f"({self.draws.shape[0]},)", self.points.shape)
        if not self.fit:
            content = np.ascontiguousarray(self.draws, dtype=np.float32)
            object.__setattr__(self, "fit", hashlib.blake2b(content, digest_size=16).hexdigest())

    def to_bytes(self) -> bytes:
        """A compressed npz archive without pickled objects."""
        arrays: dict[str, NDArray[Any]] = {
            "draws": self.draws.astype(np.float32),
            "names": np.array(self.names, dtype=np.str_),
            "n_chains": np.array(self.n_chains),
            "link": np.array(self.link),
            "format_version": np.array(self.format_version),
            "fit": np.array(self.fit),
        }
        if self.points is not None:
            arrays["points"] = self.points.astype(np.int32)
        buffer = io.BytesIO()
        # mypy takes the names of arrays for those of options.
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "LatentDraws":
        """Read what `to_bytes` wrote.

        Raises
        ------
        DrawsError
            If the bytes are not such an archive or have another format version.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                version = int(stored["format_version"])
                if version != FORMAT_VERSION:
                    raise DrawsError(f"the draws have format version {version}, this version reads {FORMAT_VERSION}")
                return cls(
                    draws=stored["draws"],
                    names=tuple(str(name) for name in stored["names"]),
                    n_chains=int(stored["n_chains"]),
                    link=str(stored["link"]),
                    points=stored.get("points"),
                    fit=str(stored.get("fit", "")),  # draws that were stored without it are hashed
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DrawsError(f"{len(content):,} bytes are not stored draws: {error}") from error


def from_datatree(tree: "DataTree", design: Design, *, max_draws: int = 4000) -> LatentDraws:
    """Collect the latents from a fit, thinned to what a release needs.

    Parameters
    ----------
    tree
        A fit with the variables ``intercept``, ``coefficient`` (if the model has any) and one per varying term, named
        as the term, in the group ``posterior`` with leading dimensions (chain, draw).
    design
        The design that was fitted.
    max_draws
        Of more draws, every second, third ... of each chain is kept: 4,000 leave a Monte-Carlo error below 2% of a
        posterior sd.

    Raises
    ------
    DrawsError
        If a term of the design has no draws, or a draw is not finite.
    """
    wanted = ["intercept", *(["coefficient"] if design.coefficient_names else []), *(e.term for e in design.effects)]
    return collect_latents(tree, wanted, names=design.latent_names, max_draws=max_draws)


def collect_latents(
    tree: "DataTree", wanted: list[str], *, names: tuple[str, ...], max_draws: int, link: str = "logit"
) -> LatentDraws:
    """Collect ``wanted`` variables of a fit one after the other, as `from_datatree` does those of its design."""
    posterior = tree["posterior"]
    if missing := [name for name in wanted if name not in posterior]:
        raise DrawsError(f"the fit has no draws of {', '.join(missing)}; it is not a fit of this design")
    n_chains = posterior.sizes["chain"]
    chosen, kept = kept_draws(posterior, max_draws=max_draws)
    parts = [np.asarray(posterior[name].to_numpy())[:, chosen].reshape(n_chains * kept, -1) for name in wanted]
    draws = np.concatenate(parts, axis=1).astype(np.float32)
    if not np.isfinite(draws).all():
        raise DrawsError("the fit has draws that are not finite numbers; look at its diagnostics")
    points = None
    if "point" in tree["sample_stats"]:
        points = np.asarray(tree["sample_stats"]["point"].to_numpy()[:, chosen].reshape(-1), dtype=np.int32)
    return LatentDraws(draws=draws, names=names, n_chains=n_chains, link=link, points=points)


def kept_draws(posterior: Any, *, max_draws: int) -> tuple[slice, int]:
    """Which draws of each chain are kept of a fit, and how many: at most ``max_draws`` of all chains."""
    n_chains, n_draws = posterior.sizes["chain"], posterior.sizes["draw"]
    step = -(-n_chains * n_draws // max(max_draws, n_chains))
    kept = n_draws // step
    # The last of every `step` draws: what remains of a chain at its start is dropped.
    return slice(n_draws - 1 - (kept - 1) * step, None, step), kept
