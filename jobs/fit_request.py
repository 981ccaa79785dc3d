"""What crosses to the process that fits, and what comes back.

Both are a folder of plain files under the spool (mode 0700, files 0600): JSON,
and Parquet for tables. Only counts per cell cross, never an interview or a respondent.
A request is complete when ``request.json`` is there, a result when
``result.json`` is: each is written last, and moved into place in one step.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from jobs.errors import SpoolError
from mrp.adjusted import NOTHING, Adjustments
from mrp.electorate import Electorate
from mrp.errors import MrpError
from mrp.frames.extension import FrameDraws
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes import Outcome, outcome_from_json

if TYPE_CHECKING:
    from mrp.fit import Engine

__all__ = ["FitProgress", "FitRequest", "FitResult", "Partner"]

FORMAT_VERSION = 8
EVIDENCE = "evidence.npz"
SECOND = "second.npz"
FRAMES = "frame_draws.parquet"


@dataclass(frozen=True, slots=True)
class FitProgress:
    """How far a fit has come."""

    stage: str
    share: float
    """Part of the work that is done, in [0, 1]."""
    expected_end_s: float | None = None
    """Seconds until the end, where that can be told."""

    def to_json(self) -> dict[str, Any]:
        """As stored with the job."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Partner:
    """A question that is fitted together with the one that is asked for."""

    id: str
    outcome: Outcome
    formula: str
    priors: Mapping[str, str]
    counts: pl.DataFrame
    """As those of a request."""
    adjustments: Adjustments = NOTHING
    """The same."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """Everything a fit depends on."""

    outcome: Outcome
    """What the answers are."""
    formula: str
    priors: Mapping[str, str]
    """Priors that differ from the defaults, by term."""
    seed: int
    engine: "Engine"
    nuts: NutsSettings
    laplace: LaplaceSettings
    electorate: Electorate
    counts: pl.DataFrame
    """One row per cell that was interviewed, as the outcome collapses interviews."""
    question: str = ""
    """Its id, by which it has its place among its partners."""
    partners: tuple[Partner, ...] = ()
    """Binary questions that are fitted together with this one; see ``jobs.partners``."""
    adjustments: Adjustments = NOTHING
    """What is done to the draws before they are kept; see ``jobs.adjustments``."""
    frames: FrameDraws | None = None
    """Several frames with which they meet known totals, each with its own; None: that of the electorate."""

    def part(self, question: str) -> "FitRequest | Partner":
        """What is asked of a question: itself, or a partner."""
        return self if question == self.question else next(one for one in self.partners if one.id == question)

    def write(self, folder: Path) -> None:
        """Write the request into ``folder``, which exists."""
        self.counts.write_parquet(_private(folder / "counts.parquet"))
        for number, partner in enumerate(self.partners):
            partner.counts.write_parquet(_private(folder / _counts_of(number)))
        self.electorate.frame.write_parquet(_private(folder / "frame.parquet"))
        self.electorate.districts.write_parquet(_private(folder / "districts.parquet"))
        if self.frames is not None:
            self.frames.to_table().write_parquet(_private(folder / FRAMES))
        _write_json(
            folder / "request.json",
            {
                "format_version": FORMAT_VERSION,
                "outcome": self.outcome.to_json(),
                "formula": self.formula,
                "priors": dict(self.priors),
                "seed": self.seed,
                "engine": self.engine,
                "nuts": asdict(self.nuts),
                "laplace": asdict(self.laplace),
                "district": self.electorate.district,
                "demographics": {name: list(levels) for name, levels in self.electorate.demographics.items()},
                "ordered": sorted(self.electorate.ordered),
                "question": self.question,
                "partners": [
                    {
                        "id": one.id,
                        "outcome": one.outcome.to_json(),
                        "formula": one.formula,
                        "priors": dict(one.priors),
                        "adjustments": one.adjustments.to_json(),
                    }
                    for one in self.partners
                ],
                "adjustments": self.adjustments.to_json(),
            },
        )

    @classmethod
    def read(cls, folder: Path) -> "FitRequest":
        """Read a request back.

        Raises
        ------
        SpoolError
            If it is missing, damaged, or of another format version.
        """
        head = _read_json(folder / "request.json")
        try:
            electorate = Electorate(
                frame=pl.read_parquet(folder / "frame.parquet"),
                districts=pl.read_parquet(folder / "districts.parquet"),
                district=head["district"],
                demographics={name: tuple(levels) for name, levels in head["demographics"].items()},
                ordered=frozenset(head["ordered"]),
            )
            counts = pl.read_parquet(folder / "counts.parquet")
            drawn = folder / FRAMES
            frames = FrameDraws.from_table(pl.read_parquet(drawn)) if drawn.exists() else None
            outcome = outcome_from_json(head["outcome"])
            partners = tuple(
                Partner(
                    id=one["id"],
                    outcome=outcome_from_json(one["outcome"]),
                    formula=one["formula"],
                    priors=one["priors"],
                    counts=pl.read_parquet(folder / _counts_of(number)),
                    adjustments=Adjustments.from_json(one["adjustments"]),
                )
                for number, one in enumerate(head["partners"])
            )
        except (OSError, KeyError, pl.exceptions.PolarsError, MrpError) as error:
            raise SpoolError(f"The fit request in {folder} is damaged: {error}. Ask for the refit again.") from None
        return cls(
            outcome=outcome,
            formula=head["formula"],
            priors=head["priors"],
            seed=head["seed"],
            engine=head["engine"],
            nuts=NutsSettings(**head["nuts"]),
            laplace=LaplaceSettings(**head["laplace"]),
            electorate=electorate,
            counts=counts,
            question=head["question"],
            partners=partners,
            adjustments=Adjustments.from_json(head["adjustments"]),
            frames=frames,
        )


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a finished fit left behind."""

    engine: str
    """The engine that made it, which may not be the one that was asked for; see ``mrp.fit``."""
    draws: bytes
    """Latent draws, see ``mrp.latents``."""
    design: Any
    verdict: Any
    diagnostics: Any
    """These three in their JSON forms."""
    priors: Any
    """All priors, in words."""
    versions: Mapping[str, str]
    """Versions of what computed it."""
    seconds: Mapping[str, float]
    """Duration of each stage."""
    evidence: bytes | None = None
    """What is kept beside the draws, see ``mrp.evidence``."""
    second: bytes | None = None
    """Draws with the systematic error, see ``mrp.adjusted``; None where none is declared."""
    others: Mapping[str, "FitResult"] = field(default_factory=dict)
    """Of a joint fit the same of every partner, by the id of its question."""

    def write(self, folder: Path) -> None:
        """Write the result into ``folder``; it is complete when this returns, and not before."""
        for number, other in enumerate(self.others.values()):
            part = folder / _part_of(number)
            part.mkdir(mode=0o700)
            other.write(part)
        _private(folder / "draws.npz").write_bytes(self.draws)
        if self.evidence is not None:
            _private(folder / EVIDENCE).write_bytes(self.evidence)
        if self.second is not None:
            _private(folder / SECOND).write_bytes(self.second)
        _write_json(
            folder / "result.json",
            {
                "format_version": FORMAT_VERSION,
                "engine": self.engine,
                "design": self.design,
                "verdict": self.verdict,
                "diagnostics": self.diagnostics,
                "priors": self.priors,
                "versions": dict(self.versions),
                "seconds": dict(self.seconds),
                "others": list(self.others),
            },
        )

    @classmethod
    def read(cls, folder: Path) -> "FitResult":
        """Read a result back.

        Raises
        ------
        SpoolError
            If it is missing, damaged, or of another format version.
        """
        head = _read_json(folder / "result.json")
        head.pop("format_version")
        others = {name: cls.read(folder / _part_of(number)) for number, name in enumerate(head.pop("others"))}
        try:
            evidence, second = (
                (folder / name).read_bytes() if (folder / name).exists() else None for name in (EVIDENCE, SECOND)
            )
            draws = (folder / "draws.npz").read_bytes()
            return cls(draws=draws, evidence=evidence, second=second, others=others, **head)
        except (OSError, TypeError) as error:
            raise SpoolError(f"The fit result in {folder} is damaged: {error}. Ask for the refit again.") from None


def _counts_of(number: int) -> str:
    """File of the counts of a partner: ids are no names of files."""
    return f"counts-{number}.parquet"


def _part_of(number: int) -> str:
    """Folder of what a joint fit says of a partner."""
    return f"partner-{number}"


def _private(path: Path) -> Path:
    """An empty file that only its owner may use, there before it holds anything."""
    path.touch(mode=0o600)
    return path


def _write_json(path: Path, value: Any) -> None:
    unfinished = _private(path.with_suffix(".part"))
    unfinished.write_text(json.dumps(value), encoding="utf-8")
    unfinished.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpoolError(f"{path} cannot be read: {error}. Ask for the refit again.") from None
    if value.get("format_version") != FORMAT_VERSION:
        raise SpoolError(
            f"{path} has format version {value.get('format_version')!r}, this program writes {FORMAT_VERSION}. "
            "Ask for the refit again."
        )
    return value
