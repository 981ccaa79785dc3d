"""Section of a disclosure statement on questions that were fitted together with one, and whose interviews it uses."""

from api.statement.payloads import StatementSection, StatementTable
from api.statement.records import NOT_TOLD, Records
from jobs.labels import formula_labels
from polling.disclosure import count_in_words

__all__ = ["together_sections"]


def together_sections(records: Records) -> list[StatementSection]:
    """The section; none for a question that was fitted by itself."""
    if not records.partners:
        return []
    question, declared = records.question, records.declaration
    names = {one.id for one in declared.questions}
    labels = ", ".join(sorted(formula_labels(records.fit.formula)))
    partners = ", ".join(records.partners)
    text = [
        (
            f"{question.id} was fitted in one model with {partners}: their formulas share the label {labels}, by which "
            "the effects of a term with this label are correlated across questions. So the estimates rest on the "
            "interviews on all of these questions, as far as opinions on them go together."
        ),
        *(f"{one['sentence'][0].upper()}{one['sentence'][1:]}." for one in records.correlations),
    ]
    asked = [[name, declared.question(name).text if name in names else NOT_TOLD] for name in records.partners]
    rows = [
        [
            name,
            wave.pollster,
            wave.reference,
            str(wave.version),
            str(wave.fieldwork_start or NOT_TOLD),
            str(wave.fieldwork_end or NOT_TOLD),
            count_in_words(wave.n_interviews, least=records.rules.min_interviews),
        ]
        for name, waves in records.partners.items()
        for wave in waves
    ]
    columns = ["question", "pollster", "wave", "version", "first day", "last day", "interviews"]
    tables = [
        StatementTable("Questions fitted together with this one", ["question", "text"], asked),
        StatementTable("Waves whose interviews on them are used", columns, rows),
    ]
    asked_by = ["AAPOR 3", "AAPOR 7", "AAPOR 10", "ESOMAR/WAPOR"]
    return [StatementSection("together", "Questions fitted together", asked_by, text, tables)]
