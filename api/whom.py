"""Say whom an answer is about: which people, how many, told by which releases, and what to doubt of it."""

from api.among import Among
from api.answer_payloads import PopulationPayload, ToldByPayload
from api.group_query import Prepared
from api.populations import doubts_of
from api.release_cache import LoadedRelease
from api.served import Served
from polling.population import EVERYBODY

__all__ = ["doubts_about", "notes_of", "telling_differences", "whom", "whom_sentence"]


def whom(served: Served, loaded: LoadedRelease, *, interval: float) -> PopulationPayload:
    """The people that a release is asked about, with their number.

    Parameters
    ----------
    interval
        Probability of the interval of their number.
    """
    among = loaded.among
    if among is None:
        n_people = float(loaded.electorate.frame["n_people"].sum())
        return PopulationPayload(EVERYBODY, loaded.declaration.universe, n_people, n_people, n_people, [])
    size = among.size(interval)
    told_by = [
        ToldByPayload(
            question=one.release.question_id,
            release_id=one.release.id,
            release_number=one.release.number,
            published_at=one.release.published_at,
            data_through=one.release.data_through,
            newest_number=one.newest,
        )
        for one in served.populations.told_by(among.chain)
    ]
    return PopulationPayload(among.population.id, among.population.people, size.mean, size.low, size.high, told_by)


def whom_sentence(population: PopulationPayload) -> str:
    """Whom an answer is about, and what tells it; empty for everybody."""
    if not population.told_by:
        return ""
    told = " and ".join(f"release {one.release_number} of {one.question}" for one in population.told_by)
    few, many = (f"{n:,.0f}" for n in (population.low, population.high))
    return f"Among {population.people}: {population.n_people:,.0f} people ({few} to {many}), told by {told}."


def doubts_about(served: Served, among: Among | None) -> list[str]:
    """What to know of who belongs to a part of the population, in the form of warnings; usually empty."""
    return doubts_of(among.chain, served.populations.told_by(among.chain)) if among else []


def telling_differences(before: Prepared, after: Prepared) -> list[str]:
    """What tells otherwise in two releases who belongs to a part of the population, a sentence for each."""
    old = {one.question: one for one in _whom(before).told_by}
    return [
        f"Who belongs to them was told by release {old[one.question].release_number} of {one.question}, and is by "
        f"release {one.release_number}."
        for one in _whom(after).told_by
        if one.question in old and old[one.question].release_id != one.release_id
    ]


def notes_of(served: Served, among: Among | None) -> list[str]:
    """What to know of the interviews behind it, and of reports from which it is turned back who belongs to them."""
    if among is None:
        return []
    told_by = served.populations.told_by(among.chain)
    turned_back = [
        f"Who the {part.people} are is turned back from what respondents report, which is right of "
        f"{100 * told.sensitivity:.3g}% of those who belong to them and of {100 * told.specificity:.3g}% of the "
        "others, as declared."
        for part, told in zip(among.chain, (one.misreport for one in among.turnout), strict=True)
        if told is not None
    ]
    return turned_back + [
        f"Release {one.release.number} of question {one.release.question_id}, which tells who they are, contains data "
        f"that were erased on {one.release.contains_erased_at:%Y-%m-%d}."
        for one in told_by
        if one.release.contains_erased_at is not None
    ]


def _whom(side: Prepared) -> PopulationPayload:
    return whom(side.served, side.loaded, interval=side.query.interval)
