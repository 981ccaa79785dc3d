"""marriage2005 as its five polls, corrected, withdrawn and restored on the way: the counts of a clean load."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from jobs import wave_life
from jobs.backtest_waves import PushedWave, plan_backtest, split_waves
from jobs.counting import count_interviews
from jobs.receive import receive_wave
from jobs.settings import Settings
from jobs.survey import add_survey
from polling.bundle import SurveyBundle
from polling.folder import load_survey_folder
from polling.secrets import SecretsFile
from polling.store import releases
from polling.store.engine import Store
from tests.jobs.house import NOON
from tests.polling.conftest import cases

__all__ = ["cases"]

pytestmark = pytest.mark.cases

DECLARATION = Path(__file__).resolve().parents[1] / "cases" / "marriage2005"


class Load:
    """One load of the case into a store; surveys of different ids, so that both fit into one."""

    def __init__(self, store: Store, secrets: SecretsFile, bundle: SurveyBundle, survey_id: str) -> None:
        self.store, self.secrets = store, secrets
        self.declaration = replace(bundle.declaration, id=survey_id)
        self.about = {"survey_id": survey_id, "now": NOON, "actor": "test"}
        add_survey(store, secrets, replace(bundle, declaration=self.declaration), now=NOON, actor="test")

    def push(self, wave: PushedWave, **changes: object) -> None:
        told = {name: getattr(wave, name) for name in ("pollster", "reference", "content")}
        told |= {"fieldwork_start": wave.fieldwork_start, "fieldwork_end": wave.fieldwork_end}
        receive_wave(self.store, self.secrets, Settings(), **(self.about | told | changes))

    def act(self, name: str, wave: PushedWave) -> None:
        told = {"wave": wave.reference, "pollster": wave.pollster, "reason": "test"}
        getattr(wave_life, name)(self.store, self.secrets, Settings(), **(self.about | told))

    def counts(self) -> pl.DataFrame:
        with self.store.read() as session:
            return count_interviews(session, self.declaration, self.declaration.questions[0]).counts


def test_five_polls_one_corrected_and_one_withdrawn_and_restored(store: Store, tmp_path: Path, cases: Path):
    tables = cases / "marriage2005"
    bundle = load_survey_folder(DECLARATION, data_dir=tables)
    waves = split_waves(bundle, plan_backtest(bundle, None, None), tables, now=NOON)
    waves = sorted(waves, key=lambda wave: wave.fieldwork_end)
    assert len(waves) == 5
    secrets = SecretsFile(tmp_path / "secrets.toml")

    clean = Load(store, secrets, bundle, "clean")
    for wave in waves:
        clean.push(wave)

    lived = Load(store, secrets, bundle, "lived")
    for number, wave in enumerate(waves):
        lived.push(replace(wave, content=half(wave.content)) if number == 1 else wave)
        if number == 2:
            lived.act("withdraw", wave)
    assert lived.counts()["n"].sum() < clean.counts()["n"].sum()
    lived.push(waves[1], replaces=waves[1].reference, reason="half of it was missing")
    lived.act("restore", waves[2])

    assert_frame_equal(lived.counts(), clean.counts())
    assert clean.counts()["n"].sum() == 6341
    with store.read() as session:
        reason = releases.question_state(session, "lived", "marriage").stale_reason
    assert "was restored" in str(reason)


def half(content: bytes) -> bytes:
    """The first half of a wave's interviews, in the same form."""
    import io

    table = pl.read_parquet(io.BytesIO(content)) if content[:4] == b"PAR1" else pl.read_csv(content, infer_schema=False)
    buffer = io.BytesIO()
    table.head(table.height // 2).write_csv(buffer)
    return buffer.getvalue()
