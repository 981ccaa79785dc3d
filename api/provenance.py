"""What went into the fits behind two releases, and what differs, in words: for revisions and changes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from api.release_cache import LoadedRelease
from mrp.revision import FitInputs
from polling.declaration import Question, Retention, SurveyDeclaration, TimeRule, declaration_to_json
from polling.store.fit_inputs import partners_noted, predictors_noted
from polling.store.restatement import waves_used

__all__ = ["fit_inputs", "model_differences", "wave_ids"]


def wave_ids(loaded: LoadedRelease) -> frozenset[str]:
    """Ids of the waves that the fit of a release used, in whatever version."""
    return frozenset(waves_used(loaded.fit))


def fit_inputs(loaded: LoadedRelease) -> FitInputs:
    """The inputs of a release's fit, as a revision compares them."""
    inputs: Any = loaded.fit.inputs
    return FitInputs(
        waves=frozenset(json.dumps([wave, *used]) for wave, used in waves_used(loaded.fit).items())
        | {json.dumps([name, of and of["counts_sha256"]]) for name, of in partners_noted(inputs).items()},
        frame=json.dumps(
            [inputs.get("frame_sha256"), inputs.get("districts_sha256"), _of_predictors(inputs), _of_draws(inputs)]
        ),
        model=json.dumps([_model(loaded), _of_partners(loaded)], sort_keys=True),
    )


def model_differences(before: LoadedRelease, after: LoadedRelease) -> list[str]:
    """What differs besides the waves, a sentence for each."""
    old, new = _model(before), _model(after)
    versions = f"version {before.release.survey_version} of the survey, then {after.release.survey_version}"
    old_inputs, new_inputs = _inputs(before), _inputs(after)
    sentences = {
        "formula": f"The model was {old['formula']} and is {new['formula']}.",
        "priors": "The priors changed.",
        "engine": f"It was fitted with {old['engine']} and is with {new['engine']}.",
        "software": f"It was fitted by hustings {old['software']} and is by {new['software']}.",
        "window": f"Waves counted for {_days(old['window'])} and count for {_days(new['window'])}.",
        "codebook": f"The codebook changed ({versions}).",
        "known totals": f"The known totals that draws meet changed ({versions}).",
        "systematic error": f"The systematic error that is declared changed ({versions}).",
    }
    found = [sentence for part, sentence in sentences.items() if old[part] != new[part]]
    for name, now in partners_noted(new_inputs).items():
        was = partners_noted(old_inputs).get(name)
        if now is not None and was is None:
            found.append(f"Question {name} is fitted together with this one, and was not.")
        elif was is not None and now is None:
            found.append(f"Question {name} was fitted together with this one, and is not.")
        elif now is not None and was is not None:
            found += _changed_partner(name, was, now)
    for name, what in (("frame_sha256", "population frame"), ("districts_sha256", "table of districts")):
        if old_inputs.get(name) != new_inputs.get(name):
            found.append(f"The {what} changed ({versions}).")
    if _of_draws(old_inputs) != _of_draws(new_inputs):
        found.append(f"The draws of the population frame changed ({versions}).")
    return found + list(_changed_predictors(old_inputs, new_inputs))


def _of_draws(inputs: Any) -> str | None:
    """Hash of the draws of the frame; None where there is one frame."""
    noted: Any = inputs.get("frame_draws")
    return None if noted is None else noted["sha256"]


def _of_predictors(inputs: Any) -> dict[str, str]:
    """Predictor -> hash of the upload that it was taken from."""
    return {column: one["sha256"] for one in predictors_noted(inputs) for column in one["columns"]}


def _changed_predictors(old_inputs: Any, new_inputs: Any) -> Iterator[str]:
    old, new = (
        {column: one for one in predictors_noted(of) for column in one["columns"]} for of in (old_inputs, new_inputs)
    )
    for column in sorted({*old, *new}):
        was, now = old.get(column), new.get(column)
        if (was and was["id"]) != (now and now["id"]):
            yield f"The predictor {column} was {_told_of(was)} and is {_told_of(now)}."


def _told_of(upload: dict[str, Any] | None) -> str:
    if upload is None:
        return "that of the table of districts"
    return f"that as of {upload['as_of']} ({upload['source']}, upload {upload['number']})"


def _model(loaded: LoadedRelease) -> dict[str, Any]:
    fit, declaration = loaded.fit, loaded.declaration
    versions: Any = fit.versions
    inputs = _inputs(loaded)
    return {
        "formula": fit.formula,
        "priors": fit.priors,
        "engine": fit.engine,
        "software": versions.get("hustings"),
        "window": declaration.time.window_days,
        "codebook": declaration_to_json(_codebook(declaration, loaded.question)).decode(),
        "known totals": inputs.get("known_totals"),
        "systematic error": inputs.get("systematic_error"),
    }


def _changed_partner(name: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    if now["counts_sha256"] != was["counts_sha256"]:
        yield f"The interviews on {name}, which is fitted together with this question, are others."
    if (now["formula"], now["priors"]) != (was["formula"], was["priors"]):
        yield f"The model of {name}, which is fitted together with this question, changed."


def _of_partners(loaded: LoadedRelease) -> dict[str, Any]:
    """Models of the questions that were fitted with this one."""
    noted = partners_noted(loaded.fit.inputs)
    return {name: [of["formula"], of["priors"]] for name, of in noted.items() if of is not None}


def _codebook(declaration: SurveyDeclaration, question: Question) -> SurveyDeclaration:
    """What a survey says of how answers to a question are read, and nothing else."""
    return replace(
        declaration,
        title="",
        universe="",
        facts={},
        questions=(replace(question, model="", priors={}, known_totals=None, moved_by=None, systematic_error=None),),
        time=TimeRule(declaration.time.period),
        frame_file="",
        frame_draws_file="",
        frame_draws_sha256="",
        frame_checks=(),
        not_identifiers=(),
        required_facts=(),
        policy="reject",
        quarantine_share=0.0,
        quality=type(declaration.quality)(),
        consent=None,
        retention=Retention(),
        backtest=None,
        sources=(),
        systematic_error=None,
    )


def _inputs(loaded: LoadedRelease) -> dict[str, Any]:
    inputs: Any = loaded.fit.inputs
    return dict(inputs)


def _days(window: int | None) -> str:
    return "any time" if window is None else f"{window} days"
