"""What to know of the data behind a release: somebody was erased, waves were reduced to counts, the frame is drawn."""

from typing import Any

from polling.store.records import FitRecord

__all__ = ["data_notes"]


def data_notes(fit: FitRecord, *, has_draws: bool) -> list[str]:
    """Sentences, usually none."""
    notes = []
    if fit.contains_erased_at is not None:
        since = f"{fit.contains_erased_at:%Y-%m-%d}"
        notes.append(
            f"It contains data that were erased on {since}, until a refit takes its place."
            if has_draws
            else f"It contained data that were erased on {since}. Its draws are deleted."
        )
    purged: Any = fit.inputs.get("purged") if isinstance(fit.inputs, dict) else None
    if purged:
        n = purged["n_waves"]
        waves = "1 of its waves is" if n == 1 else f"{n} of its waves are"
        notes.append(
            f"Of the interviews of {waves} only counts per cell are left: {_about(purged['n_dropped'])} interviews in "
            f"cells of fewer than {purged['min_cell']} were left out, and of {_about(purged['n_merged'])} the day is "
            "not known any more."
        )
        if merged := purged.get("merged_away"):
            notes.append(f"They do not tell {', '.join(merged)} apart, which no formula read: counts by it lack them.")
    drawn: Any = fit.inputs.get("frame_draws") if isinstance(fit.inputs, dict) else None
    if drawn:
        notes.append(
            f"Who lives where is known through {drawn['n']} draws of the population frame{_of_frame(drawn)}: what they "
            "do not agree on is in the intervals."
        )
    return notes


def _of_frame(drawn: dict[str, Any]) -> str:
    told = [drawn["source"]] if "source" in drawn else []
    told += [f"of {drawn['date']}"] if "date" in drawn else []
    return f" ({', '.join(told)})" if told else ""


def _about(n: int) -> str:
    """A number of interviews, rounded: an exact one could be subtracted from another."""
    return "no" if n == 0 else "fewer than 10" if n < 10 else f"about {10 * round(n / 10):,}"
