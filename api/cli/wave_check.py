"""What ``hustings survey check DIR --wave FILE`` prints."""

from typing import TYPE_CHECKING

import click

from api.cli.output import print_json, print_table

if TYPE_CHECKING:
    from jobs.survey_check import WaveCheck

__all__ = ["print_check"]


def print_check(check: "WaveCheck", *, survey: str, json_: bool) -> None:
    """Faults, what would be set aside, what the codebook merges, labels never sent, quality."""
    if json_:
        recodes = check.recodes
        merged = (
            []
            if recodes is None
            else [
                {"item": item, "meaning": meaning, "labels": labels}
                for (item, meaning), labels in recodes.merged.items()
            ]
        )
        print_json(
            {
                "ok": check.ok,
                "survey": survey,
                "n_faults": check.n_faults,
                "faults": check.faults,
                "format": check.format,
                "n_interviews": check.n_interviews,
                "n_without_consent": check.n_without_consent,
                "n_quarantined": check.n_quarantined,
                "quarantine": [{"reason": reason, "n_rows": n} for reason, n in check.reasons],
                "flags": check.flags,
                "not_checked": check.not_checked,
                "recodes": [] if recodes is None else recodes.uses,
                "merged": merged,
                "never_sent": {} if recodes is None else recodes.never_sent,
            }
        )
        return
    verdict = "would be taken" if check.ok else "would be rejected"
    without = f", {check.n_without_consent:,} left out without consent" if check.n_without_consent else ""
    click.echo(f"The wave {verdict}: {check.n_interviews:,} interviews, {check.n_quarantined:,} set aside{without}.")
    for fault in check.faults:
        click.echo(f"  {fault}")
    for sentence in check.not_checked:
        click.echo(sentence)
    if check.recodes is None:
        return
    print_table(
        ("column", "of", "label", "becomes", "how", "interviews"),
        [
            (use.column, use.item, "" if use.label is None else use.label, use.meaning, use.how, use.n_interviews)
            for use in check.recodes.uses
        ],
    )
    for (item, meaning), labels in check.recodes.merged.items():
        click.echo(f"merged: {item} '{meaning}' is {', '.join(labels)}")
    for item, targets in check.recodes.never_sent.items():
        click.echo(f"never sent: {item} {', '.join(targets)}")
    for flag in check.flags:
        click.echo(f"{'OVER ITS LIMIT: ' if flag.over else ''}{flag.words}")
