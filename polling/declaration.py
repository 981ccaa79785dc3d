"""The survey declaration: what ``survey.toml`` says, as values.

``polling.survey_toml.parse_declaration`` makes one from the file, ``declaration_to_json`` / ``declaration_from_json``
are the stored form. Paths of tables are relative to the survey folder (or to ``data_dir`` where one is given).

===========================  =========================================================================================
key in survey.toml           meaning
===========================  =========================================================================================
survey.id                    lowercase letters, digits, ``-`` and ``_``
survey.title, universe       who is described by the estimates, in words
survey.public                true: its web pages need no account (default false); the HTTP interface asks for a key
survey.<fact>                disclosure items, text: see ``SURVEY_FACTS``; ``sponsor``, ``mode`` and ``sample_source``
                             have to be told here or by every wave before a release is published
columns.respondent           column with the respondent's id (optional; stored only as a keyed hash)
columns.date                 column with the interview date, ISO ``2018-11-06`` (optional)
columns.consent              column that says whether the respondent agreed to the use of the answers (optional); an
                             interview without is not stored, only counted: see ``polling.consent``
columns.weight               column with the pollster's weight, above 0 (optional; relative: how weights of one wave
                             compare says something, their sum says nothing)
columns.timing               column with how long the interview took, in seconds (optional)
columns.<pollster>.<name>    what this pollster calls respondent, date, consent, weight, the district, a demographic or
                             a question; ``false``: it sends no such column (date, weight and timing only)
columns.not_identifiers      columns that look like direct identifiers and are none, see ``polling.identifiers``
consent.values               labels of that column that mean yes; every other, and a blank, means no. Compared letter by
                             letter, as all labels are, but for blanks around them
consent.no                   labels that mean no (optional): any other is told with the wave, in case it meant yes
time.period                  ``day``, ``week`` (default), ``month`` or ``wave``
waves.policy                 ``reject`` (default): a wave with any fault is not stored; ``quarantine``: rows with faults
                             of their own are set aside, see ``polling.quarantine``
waves.quarantine_share       as long as they are at most this share of the rows (default 0.05)
waves.required_facts         facts that every wave has to tell unless the survey does: ``mode``, ``sponsor``,
                             ``sample_source``, ``universe``, ``language``, ``wording``
time.window_days             only waves of the last so many days are used (default: every accepted wave)
geography.district           name of the district column in waves and frame
geography.column             what waves call it (default: the same)
geography.districts          table with one row per district: code, name, parents, predictors, optional neighbours
                             (codes with semicolons between them, ``D2;D5``, or in Parquet a list; each names the other)
geography.parents            text columns of that table that are parent areas (default: all but code and name)
geography.ignore             columns of that table that are not loaded, e.g. results that would leak the truth
geography.recode             label sent by a pollster = district code
geography.blank              ``fault`` (default) or ``exclude``: an interview without district
demographics.<name>.column   what waves call it (default: the name)
demographics.<name>.levels   every level, in order
demographics.<name>.ordered  true if neighbouring levels are alike (default false)
demographics.<name>.recode   label sent by a pollster = level
demographics.<name>.bands    level = ``[least, greatest]`` of a number sent instead of a label, such as the age in
                             years; ``[least]`` without an upper end
demographics.<name>.dont_know  labels that mean "don't know"; likewise ``refused`` and ``not_asked``: stored, and left
                             out of every count
demographics.<name>.blank    ``fault`` (default) or ``exclude``: stored, and left out of every count
quality.<name>               limits over which a wave waits for an analyst, see ``polling.quality_limits``
retention.respondents_days   days after fieldwork when a wave is reduced to counts per cell (default: never)
retention.min_cell           cells of a wave with fewer interviews are then left out (default 3): see ``jobs.retention``
frame.file                   table of the population, one row per district and combination of levels
frame.count                  its column with the number of people, at least 0
frame.ignore                 columns of the frame that are not loaded
frame.draws                  table of several frames, each as likely as the others, whose mean is the frame: a column
                             draw, then as the frame; see ``polling.frame_draws``
frame.source, frame.date     where it comes from and of when it is, text for the disclosure statement
questions.<id>.column        its column in waves (default: the id); a wave without the column did not ask it
questions.<id>.text          the question as asked
questions.<id>.kind          ``binary``, ``categorical``, ``ordinal`` or ``numeric``
questions.<id>.options       the answers counted; a binary estimate is the share of the first, the others have one for
                             each option. Of an ordinal question the first is the lowest
questions.<id>.columns.<x>.<option>  categorical: column of the districts that belongs to the option, such as its share
                             of the last result; the formula reads all of them as ``own(x)``, ``own(log(x))`` or
                             ``offset(log(x))``
questions.<id>.only_in.<option>.<area>  categorical: where an option stands that does not stand everywhere, as a list of
                             districts or of areas of a kind above them
questions.<id>.sd            categorical: ``shared`` (default), one standard deviation of a varying term for all
                             options, or ``by option``
questions.<id>.dispersion    true: cells may scatter more than chance has it, which only NUTS can fit (default false)
questions.<id>.scores        ordinal: the number that each option stands for in a mean (default 1, 2, ...)
questions.<id>.unit          numeric: what is counted or measured, in words
questions.<id>.range         numeric: ``[least, greatest]``; another number is a fault
questions.<id>.recode        label sent by a pollster = option
questions.<id>.dont_know     labels that mean "don't know"; likewise ``refused`` and ``not_asked`` (of routed questions)
questions.<id>.base          who is the denominator of shares: ``["answered"]`` (default), or with it any of
                             ``"dont_know"``, ``"refused"`` and ``"not_asked"``, which then count as not having chosen
                             the option (binary questions; a blank cell never counts). Shares of several options add
                             up to 1: there whoever is silent is a label of an option, or is left out
questions.<id>.weights       ``ignored`` (default) or ``likelihood``: a cell counts as its interviews over the design
                             effect, with their weighted mean, see ``mrp.counts``; who sends no weight weighs 1
questions.<id>.model         the formula
questions.<id>.priors        term = prior, where it is not the default
questions.<id>.population    whom its answers are about unless another population is asked for (default: everybody)
populations.<id>.<key>       a part of the population that a question tells, such as those who vote: see
                             ``polling.population``
questions.<id>.known_totals  what is known of areas, which estimates meet; ``moved_by``: the question with known totals
                             that this one moves with; ``systematic_error``, also of the whole survey: the error that
                             polls share. All three: see ``polling.beyond``
sources[].name               ``[[sources]]``: a place looked at on schedule (``polling.source``); named like an id
sources[].pollster           whose interviews its files are
sources[].kind               ``folder``, ``https`` (one file) or ``s3``
sources[].path               folder: its absolute path; files in folders below it are not read
sources[].url                https: the address of the file
sources[].bucket             s3: with ``prefix``, ``region`` and, where it is not Amazon's, ``endpoint``
sources[].every              minutes between two looks (default 15)
sources[].pattern            which names are files of interviews, such as ``*.csv`` (default: all)
sources[].changed            other content under the name of a file that was taken is a ``conflict`` (default), or
                             ``replaces`` it
sources[].credentials        section ``[credentials.<name>]`` of the secrets file; https: ``token``, or ``user`` and
                             ``password``; s3: ``access_key_id``, ``secret_access_key``, ``session_token``
sources[].facts              said of every wave from here: ``mode = "phone"``; of one file: ``polling.sidecar``
backtest.interviews          file pushed as waves when the survey is scored
backtest.truth               table geography, option, share (of numbers: mean) and optionally se
backtest.benchmark           table geography, option, share: only ranks are comparable
backtest.question            the question scored (default: the only one)
backtest.option              the option of the truth compared with the first option (default: the same label)
backtest.last_result         a predictor that was the last result: ``"name"`` or ``"1 - name"``; of a categorical
                             question one of its ``columns``
backtest.keep.<column>       the value, or list of values, that an interview must have to be pushed
backtest.wave_by             column that splits the file into waves (default: one wave)
backtest.wave_days           without ``wave_by``, where waves follow each other (``--replay``, ``--folds``): interviews
                             are split by their date into waves of so many days
backtest.wave_parts          likewise for interviews without date: dealt at random into so many waves of equal size,
                             each with its part of the declared fieldwork
backtest.truth_date          the day of which the truth is true (default: the last day of fieldwork)
backtest.pollster            name of the pollster (default ``backtest``)
backtest.pollster_column     column with the pollster's name, instead of that
backtest.fieldwork_start     dates of the fieldwork, for interviews without date; likewise ``fieldwork_end``
===========================  =========================================================================================
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from polling.beyond import KnownTotals, MovedBy, Systematic
from polling.errors import QuestionNotFound
from polling.population import Population
from polling.quality_limits import Quality
from polling.source import Source

__all__ = [
    "SURVEY_FACTS",
    "WAVE_FACTS",
    "Backtest",
    "Blank",
    "Consent",
    "Demographic",
    "Geography",
    "Kind",
    "LastResult",
    "Policy",
    "Question",
    "Retention",
    "Sd",
    "Status",
    "SurveyDeclaration",
    "TimeRule",
    "Weights",
    "declaration_from_json",
    "declaration_to_json",
]

SURVEY_FACTS = (
    "sponsor",
    "conducted_by",
    "mode",
    "sample_source",
    "sampling",
    "recruitment",
    "languages",
    "weighting",
    "limitations",
    "contact",
    "source",
    "license",
    "frame_source",
    "frame_date",
)
"""Items of the disclosure statement that only the survey's owner can supply (AAPOR, ESOMAR/WAPOR)."""

WAVE_FACTS = ("mode", "sponsor", "sample_source", "universe", "language", "wording")
"""What a pollster says of a wave beside its interviews; where it does not, the survey's own word counts."""

type Blank = Literal["fault", "exclude"]
type Kind = Literal["binary", "categorical", "ordinal", "numeric"]
type Weights = Literal["ignored", "likelihood"]
type Sd = Literal["shared", "by option"]
type Status = Literal["answered", "dont_know", "refused", "not_asked"]
type Policy = Literal["reject", "quarantine"]
type Period = Literal["day", "week", "month", "wave"]


@dataclass(frozen=True, slots=True)
class Demographic:
    """A characteristic known of respondents and of the population."""

    name: str
    column: str
    levels: tuple[str, ...]
    ordered: bool = False
    recode: Mapping[str, str] = field(default_factory=dict)
    """Label sent by a pollster -> level."""
    blank: Blank = "fault"
    bands: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    """Level -> least and greatest number that belong to it, both included; None: no upper end."""
    dont_know: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Geography:
    """The districts and where their table lies."""

    district: str
    """Canonical name of the district column, in frame, interviews and formulas."""
    column: str
    districts_file: str
    parents: tuple[str, ...] | None = None
    """None: every text column of the table but code and name."""
    ignore: tuple[str, ...] = ()
    recode: Mapping[str, str] = field(default_factory=dict)
    blank: Blank = "fault"
    codes: tuple[str, ...] = ()
    """District codes in the order of the table: not a key of the file, filled in when the folder is loaded."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, how answers are coded and how they are modelled."""

    id: str
    column: str
    text: str
    kind: Kind
    options: tuple[str, ...]
    model: str
    recode: Mapping[str, str] = field(default_factory=dict)
    """Label sent by a pollster -> option."""
    dont_know: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    priors: Mapping[str, str] = field(default_factory=dict)
    """Term -> prior, both as written."""
    base: tuple[Status, ...] = ("answered",)
    """What interviews must have said, or not said, to be in the denominator of shares."""
    weights: Weights = "ignored"
    """What the model does with the weights of interviews."""
    own_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of a categorical question: name in the formula -> option -> column of the districts."""
    only_in: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Option that does not stand everywhere -> kind of area (or the district) -> the areas in which it does."""
    sd: Sd = "shared"
    """Of a categorical question: whether a varying term has one standard deviation for all options."""
    dispersion: bool = False
    """Whether cells may scatter more than chance has it."""
    scores: tuple[float, ...] = ()
    """Of an ordinal question, one per option; empty: 1, 2, ..."""
    unit: str | None = None
    """Of a numeric question."""
    range: tuple[float, float] | None = None
    """Least and greatest answer to a numeric question."""
    population: str | None = None
    """Id of the population that its answers are about; None: everybody."""
    known_totals: KnownTotals | None = None
    """What its estimates meet in every draw."""
    moved_by: MovedBy | None = None
    """The question with known totals that it moves with."""
    systematic_error: Systematic | None = None
    """None: that of the survey."""


@dataclass(frozen=True, slots=True)
class TimeRule:
    """What a period is and how far back waves count."""

    period: Period = "week"
    window_days: int | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """How an interview says that its respondent agreed."""

    values: tuple[str, ...]
    no: tuple[str, ...] = ()
    """Labels that are known to mean no; every other means no too, and is told."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long interviews are kept, and what is kept of them then."""

    respondents_days: int | None = None
    """Days after the last day of fieldwork; None: for ever."""
    min_cell: int = 3
    """Cells of a wave with fewer interviews are left out of the counts."""


@dataclass(frozen=True, slots=True)
class LastResult:
    """The predictor that was the last result of the same contest, for the first option."""

    predictor: str
    complement: bool = False
    """True: one minus the predictor."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """How the survey is scored against what happened."""

    interviews: str
    truth: str | None = None
    benchmark: str | None = None
    question: str | None = None
    option: str | None = None
    last_result: LastResult | None = None
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wave_by: str | None = None
    wave_days: int | None = None
    wave_parts: int | None = None
    truth_date: dt.date | None = None
    pollster: str = "backtest"
    pollster_column: str | None = None
    fieldwork_start: dt.date | None = None
    fieldwork_end: dt.date | None = None


@dataclass(frozen=True, slots=True)
class SurveyDeclaration:
    """Everything that ``survey.toml`` says."""

    id: str
    title: str
    universe: str
    geography: Geography
    demographics: tuple[Demographic, ...]
    questions: tuple[Question, ...]
    frame_file: str
    frame_count: str = "count"
    frame_ignore: tuple[str, ...] = ()
    frame_draws_file: str = ""
    """Empty where there is one frame."""
    frame_draws_sha256: str = ""
    """Of its content: not a key of the file, filled in when the survey is stored."""
    frame_checks: tuple[str, ...] = ()
    """How the frame was built and checked, in sentences: from the report beside it, see ``polling.frame_report``."""
    facts: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """``respondent``, ``date``, ``weight``, ``consent`` -> column in waves, where declared."""
    pollster_columns: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """Pollster -> canonical name -> its column; None where it sends none."""
    not_identifiers: tuple[str, ...] = ()
    """Columns of waves that look like direct identifiers and are none."""
    time: TimeRule = TimeRule()
    required_facts: tuple[str, ...] = ()
    """Facts that every wave has to tell, unless the survey tells them."""
    policy: Policy = "reject"
    """What becomes of a wave some of whose rows have faults."""
    quarantine_share: float = 0.05
    """Largest share of rows that is set aside."""
    quality: Quality = field(default_factory=Quality)
    consent: Consent | None = None
    """None: consent is not told interview by interview."""
    retention: Retention = Retention()
    backtest: Backtest | None = None
    sources: tuple[Source, ...] = ()
    """Where files are fetched from."""
    public: bool = False
    """Whether its web pages need no account."""
    populations: tuple[Population, ...] = ()
    """Parts of the population that a question tells."""
    systematic_error: Systematic | None = None
    """Of every question whose estimates are shares; None: of those that declare their own."""

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Levels of every demographic, in declared order."""
        return {demographic.name: demographic.levels for demographic in self.demographics}

    @property
    def ordered(self) -> frozenset[str]:
        """Names of the demographics whose levels have an order."""
        return frozenset(demographic.name for demographic in self.demographics if demographic.ordered)

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The district and the demographics: what identifies a cell."""
        return (self.geography.district, *(demographic.name for demographic in self.demographics))

    def question(self, question_id: str) -> Question:
        """The question of this id.

        Raises
        ------
        QuestionNotFound
            If the survey does not ask it.
        """
        for question in self.questions:
            if question.id == question_id:
                return question
        raise QuestionNotFound(self.id, question_id, [question.id for question in self.questions])

    def systematic_error_of(self, question: Question) -> Systematic | None:
        """The error that the polls of a question share; None where none is declared, or its estimates are means."""
        return None if question.kind == "numeric" else question.systematic_error or self.systematic_error

    def columns_of(self, pollster: str) -> dict[str, str]:
        """Canonical name -> column in this pollster's waves.

        Canonical names are ``respondent``, ``date``, ``weight``, ``consent`` (where declared), the district, the
        demographics and the question ids.
        """
        names: dict[str, str | None] = {**self.columns, self.geography.district: self.geography.column}
        names |= {demographic.name: demographic.column for demographic in self.demographics}
        names |= {question.id: question.column for question in self.questions}
        names |= self.pollster_columns.get(pollster, {})
        return {name: column for name, column in names.items() if column is not None}


def declaration_to_json(declaration: SurveyDeclaration) -> bytes:
    """The canonical stored form: equal declarations give equal bytes, whatever the order of keys in the file."""
    return msgspec.json.encode(declaration, order="deterministic")


def declaration_from_json(content: bytes) -> SurveyDeclaration:
    """Read what ``declaration_to_json`` wrote."""
    return _READER.decode(content)


# What a type says of itself is looked up once, here: a process crashed in which two threads did so at the same moment.
_READER: Final = msgspec.json.Decoder(SurveyDeclaration)
