"""What a revision says of a question that is fitted together with others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from api.provenance import fit_inputs, model_differences
from fixtures.demo import write_demo
from jobs.survey import load_survey
from mrp.revision import causes_of
from tests.jobs.house import House, furnish
from tests.jobs.test_partners import served, with_labels, without, work


def loaded(house: House) -> Any:
    release, fit = served(house, "rail")
    declaration = load_survey(house.written.path).declaration
    return SimpleNamespace(release=release, fit=fit, declaration=declaration, question=declaration.question("rail"))


def test_a_wave_of_a_partner_is_a_cause_of_its_own(tmp_path: Path):
    written = write_demo(tmp_path / "demo", n_districts=8, n_waves=3, n_interviews=100, n_demographics=2)
    with furnish(with_labels(written, tmp_path / "survey", model="(1|p|district)"), tmp_path / "house") as house:
        house.push(1, content=without(house, 1, "voting_age"))
        work(house)
        alone = loaded(house)
        house.push(2, content=without(house, 2, "rail"))
        work(house)
        joined = loaded(house)
        house.push(3, content=without(house, 3, "rail"))
        work(house)
        more = loaded(house)

    assert causes_of(fit_inputs(alone), fit_inputs(alone)) == ("simulation",)
    assert model_differences(alone, joined) == ["Question voting_age is fitted together with this one, and was not."]
    assert model_differences(joined, more) == [
        "The interviews on voting_age, which is fitted together with this question, are others."
    ]
    assert "model" not in causes_of(fit_inputs(joined), fit_inputs(more))
    assert causes_of(fit_inputs(joined), fit_inputs(more)) != ("simulation",)
