"""``hustings check``: does the model of a release describe its interviews?"""

from typing import Any

import click

from api.cli.output import as_json, percent, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["check"]

MOST_GROUPS = 12
_SHARES = ("observed", "predicted", "low", "high")


@click.command(short_help="Show whether a release's model describes its interviews.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--release", "release_id", help="Id of a release. Default: the current one.")
@click.option("--run", "run_", is_flag=True, help="Check the current release now, and wait for it.")
@click.option(
    "--against",
    multiple=True,
    metavar="FORMULA",
    help="Fit this model too, in this process, and compare; may be given several times. Nothing is stored.",
)
@click.option("--here", is_flag=True, help="With --run: in this process, without a worker.")
@as_json
@click.pass_obj
def check(
    runtime: Runtime,
    *,
    survey_id: str,
    question_id: str,
    release_id: str | None,
    run_: bool,
    against: tuple[str, ...],
    here: bool,
    json_: bool,
) -> None:
    """Print what the checks of a release found, the worst first.

    A release is checked soon after it was published; its pollsters and regions are left out once it has been served
    for two minutes. Exit code 1 if something is gravely wrong.
    """
    from api.routes.checks import checks_of_release
    from api.served import find_served

    if against:
        if run_ or release_id is not None:
            raise click.UsageError("--against compares with the current release; leave --run and --release out")
        _compare(runtime, survey_id, question_id, against, json_=json_)
        return
    if here and not run_:
        raise click.UsageError("--here is for --run")
    if run_:
        if release_id is not None:
            raise click.UsageError("--run checks the current release; leave --release out")
        _run(runtime, survey_id, question_id, here=here, quiet=json_)
    with runtime.store.read() as session:
        release = find_served(session, survey_id, question_id, release_id).release
        found = checks_of_release(session, release)
    if json_:
        print_json(found)
    else:
        _print(found, release)
    if any(one.severity == "grave" for one in found.concerns):
        raise click.exceptions.Exit(1)


def _run(runtime: Runtime, survey_id: str, question_id: str, *, here: bool, quiet: bool) -> None:
    from api.cli.follow import follow_job
    from api.cli.refusals import NO, Refusal
    from jobs.check_ask import ask_check

    with runtime.store.write() as session:
        job = ask_check(session, runtime.settings, survey_id=survey_id, question_id=question_id, now=runtime.now())
    job = follow_job(runtime, job.id, here=here, quiet=quiet)
    if job.state != "succeeded":
        raise Refusal(job.detail or f"The check ended as {job.code}.", NO)


def _compare(runtime: Runtime, survey_id: str, question_id: str, formulas: tuple[str, ...], *, json_: bool) -> None:
    import threading

    from jobs.check_candidates import compare_candidates
    from jobs.fit_run import run_fit

    found = compare_candidates(
        runtime.store,
        runtime.settings,
        survey_id=survey_id,
        question_id=question_id,
        formulas=formulas,
        fit=lambda request: run_fit(request, runtime.settings, beat=lambda _: False, stop=threading.Event()),
    )
    if json_:
        print_json({"survey": survey_id, "question": question_id, "models": found})
        return
    for number, one in enumerate(found):
        click.echo(f"{number}: {one.formula}{' (the release)' if number == 0 else ''}")
        if one.misfits:
            click.echo(f"   does not describe: {', '.join(one.misfits)}")
    # Of several options those of all together.
    scores_of = [[score for score in one.scores if score.option is None] for one in found]
    levels = [score.level for score in scores_of[0]]
    is_mean = _kind_of(runtime, survey_id, question_id) == "numeric"

    def size(value: float, sign: str = "") -> str:
        return f"{value:{sign}.3g}" if is_mean else f"{100 * value:{sign}.{1 if sign else 2}f}"

    rows = [
        (
            number,
            f"{one.difference:.1f}",
            f"{one.se:.1f}",
            f"{one.n_parameters:.1f}",
            percent(one.share_bad),
            *(size(score.crps) for score in scores_of[number]),
            size(one.nation_shift, "+") + (f" ({one.nation_option})" if one.nation_option else ""),
            f"{size(one.district_shift, '+')} ({', '.join(filter(None, (one.district, one.district_option)))})",
        )
        for number, one in enumerate(found)
    ]
    scores = (f"CRPS {level}" for level in levels)
    print_table(("model", "ELPD", "se", "parameters", "bad k", *scores, "nation", "district"), rows)
    unit = "in the unit of the answers" if is_mean else "in points"
    click.echo(
        f"ELPD: difference from the release, larger is better, by predictions of cells. CRPS: of estimates, {unit}, "
        f"smaller is better. Nation and district: how far the estimates move, {unit}; of several options that which "
        "moves most."
    )


def _kind_of(runtime: Runtime, survey_id: str, question_id: str) -> str:
    """The kind of a question."""
    from polling.store import surveys

    with runtime.store.read() as session:
        return surveys.get_survey(session, survey_id).bundle.declaration.question(question_id).kind


def _print(found: Any, release: Any) -> None:
    number = release.number
    if not found.checked:
        command = f"hustings check {release.survey_id} {release.question_id} --run"
        click.echo(f"Release {number} was not checked yet; `{command}` does it now.")
        return
    if not found.concerns:
        click.echo(f"Release {number}: nothing is outside chance.")
    for one in found.concerns:
        click.echo(f"{one.severity}: {one.sentence}\n  Advice: {one.advice}.")
    for one in found.checks:
        if (show := _SHOWN.get(one.kind)) is not None:
            show(one.content)


def _print_predictive(content: Any) -> None:
    click.echo(
        f"\nObserved and expected shares, with {100 * content['interval']:g}% predictive intervals; at most "
        f"{100 * content['false_alarm']:g}% of fits of a right model have a misfit anywhere."
    )
    rows = [
        (
            _margin_name(margin),
            margin["found"],
            len(margin["groups"]),
            "" if margin["covered"] is None else percent(margin["covered"]),
        )
        for margin in content["margins"]
    ]
    print_table(("by", "", "groups", "in interval"), rows)
    for margin in content["margins"]:
        if margin["found"] != "fits":
            groups = sorted(margin["groups"], key=lambda one: -abs(one["residual"]))[:MOST_GROUPS]
            click.echo(f"\nBy {_margin_name(margin)}, the worst {len(groups)}:")
            print_table(
                ("", "observed", "expected", "low", "high", "interviews"),
                [
                    (
                        " / ".join(one["levels"]) or "everybody",
                        *(percent(one[name]) for name in _SHARES),
                        f"{one['n_interviews']:,}",
                    )
                    for one in groups
                ],
            )


def _margin_name(margin: Any) -> str:
    name = " and ".join(margin["columns"]) or "everybody"
    return f"{name}: {margin['option']}" if "option" in margin else name


def _print_left_out(content: Any) -> None:
    if "skipped" in content:
        return
    click.echo(
        f"\nLeaving cells out: ELPD {content['elpd']} (se {content['se']}), {content['n_parameters']} effective "
        f"parameters, Pareto k above {content['max_k']} in {percent(content['share_above_max_k'])} of cells.\n"
        f"{content['caution']}"
    )
    # Of means no bias is told: beside the estimate it would be the mean of the interviews.
    columns = tuple(name for name in ("error", "noise", "crps", "bias") if name in content["estimates"][0])
    is_mean = content.get("of") == "means"
    rows = [
        (
            ", ".join(filter(None, (one["level"], one.get("option")))),
            *(f"{one[name]:g}" if is_mean else f"{100 * one[name]:.2f}" for name in columns),
        )
        for one in content["estimates"]
    ]
    print_table((f"score of estimates, {'unit of the answers' if is_mean else 'points'}", *columns), rows)


def _print_priors(content: Any) -> None:
    if "skipped" in content:
        return
    is_mean = content.get("of") == "means"
    click.echo("")
    for one in content["options"] if "options" in content else [content["predictive"]]:
        middle, low, high = (
            f"{one['nation'][q]:,g}" if is_mean else percent(one["nation"][q]) for q in ("0.5", "0.05", "0.95")
        )
        of = f" for {one['option']}" if "option" in one else ""
        click.echo(
            f"Before anybody was asked: a national {'mean' if is_mean else 'share'} of {middle}{of}, between {low} and "
            f"{high} with probability 90%."
        )
    rows = [
        (one["term"], one["prior"], f"{one['distance']:.2f}", f"{one['chance']:.2g}") for one in content["conflicts"]
    ]
    print_table(("term", "prior", "posterior, in its scales", "chance"), rows)


def _print_sensitivity(content: Any) -> None:
    rows = [
        (one["name"], one["prior"], one["likelihood"], one["diagnosis"], one["leans_on"] or "")
        for one in content.get("quantities", ())
        if one["diagnosis"] != "fine" or one["name"] == "nation"
    ]
    if rows:
        click.echo(
            f"\nSensitivity to priors and interviews, where that to priors is {content['sensitive_from']} and more:"
        )
        print_table(("", "prior", "interviews", "", "leans on"), rows[:MOST_GROUPS])


def _print_held_out(content: Any) -> None:
    if "skipped" in content:
        return
    name = content.get("column", "pollster")
    click.echo(f"\nEach {name} beside what the rest predicts of it:")
    groups = [
        (", ".join(filter(None, (one.get("area", one.get("pollster")), one.get("option")))), one)
        for one in content["groups"]
    ]
    if content.get("of") == "means":
        print_table((name, "expected"), [(group, f"{one['predicted']:,g}") for group, one in groups])
    else:
        rows = [(group, *(percent(one[part]) for part in _SHARES)) for group, one in groups]
        print_table((name, "observed", "expected", "low", "high"), rows)
    for one in content["failed"]:
        click.echo(f"Without {one['group']}: {one['why']}")
    if content["not_reached"]:
        click.echo(f"Not reached in the time there is: {', '.join(content['not_reached'])}.")


_SHOWN = {
    "posterior-predictive": _print_predictive,
    "left-out": _print_left_out,
    "priors": _print_priors,
    "sensitivity": _print_sensitivity,
    "held-out-pollsters": _print_held_out,
    "held-out-areas": _print_held_out,
}
"""Kind of check -> what prints it."""
