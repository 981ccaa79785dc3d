"""The waves behind a release, as pages name them."""

from collections.abc import Sequence

from api.charts.rows import WaveMark
from api.page.asking import Asking
from mrp.periods import period_label
from polling.store import fits
from polling.store.fit_waves import FitWave, waves_of_fit

__all__ = ["wave_marks", "waves_behind"]


def waves_behind(asking: Asking) -> list[FitWave]:
    """The waves of the release, in the order in which they arrived."""
    with asking.services.store.read() as session:
        return waves_of_fit(session, fits.get_fit(session, asking.served.release.fit_id))


def wave_marks(asking: Asking, periods: Sequence[str]) -> list[WaveMark]:
    """Each wave at the period in which its fieldwork ended; where a wave is a period, there is nothing to mark."""
    kind = asking.loaded.declaration.time.period
    if kind == "wave":
        return []
    marks = [
        WaveMark(period_label(wave.fieldwork_end, kind), wave.name)
        for wave in waves_behind(asking)
        if wave.fieldwork_end is not None
    ]
    return [mark for mark in marks if mark.period in periods]
