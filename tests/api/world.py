"""A small service with a known answer: six districts, two demographics, three questions, draws from a generator.

Nothing here samples: the worker is the real one, its fit is replaced by draws that a test can look up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from litestar.testing import TestClient
from numpy.typing import NDArray

from api.app import build, with_edge
from api.callers import authenticate
from api.edge import Edge
from api.keys import create_key
from api.release_cache import ReleaseCache
from api.services import Services
from api.sessions import open_session
from jobs.adjustments import adjust_fit
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey, update_survey
from jobs.webhook_threads import WebhookThreads
from jobs.worker import Worker
from mrp.counts import observed_levels
from mrp.design import Design, build_design
from mrp.evidence import Evidence, hyper_names
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from polling.secrets import SecretsFile
from polling.store import releases
from polling.store.engine import Store
from polling.store.records import ReleaseRecord

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SURVEY, OTHER = "town", "village"
POLLSTER, RIVAL = "Alpha", "Beta"
DISTRICTS = ("D1", "D2", "D3", "D4", "D5", "D6")
REGIONS = {"D1": "North", "D2": "North", "D3": "North", "D4": "South", "D5": "South", "D6": "South"}
GENDERS = ("woman", "man")
AGES = ("young", "middle", "old")
SILENT = "D5"
"""A district where nobody is interviewed."""
SMALL = ("D6", "man", "old")
"""A cell with fewer than 100 people."""

WEEKS = ("2026-W07", "2026-W08", "2026-W09")
"""Periods of `World.weekly_release`; nobody is interviewed in the second."""

SURVEY_TOML = """
[survey]
id = "{id}"
title = "A town"
universe = "Adults of the town"
sponsor = "Nobody"
mode = "telephone"
sample_source = "random digits"
[columns]
respondent = "id"
[geography]
district = "district"
districts = "districts.csv"
[demographics.gender]
levels = ["woman", "man"]
[demographics.age]
levels = ["young", "middle", "old"]
ordered = true
[frame]
file = "frame.csv"
count = "count"
[questions.rail]
text = "Should a rail line be built?"
kind = "binary"
options = ["yes", "no"]
model = "gender + (1|district)"
[questions.tax]
text = "Should the tax be raised?"
kind = "binary"
options = ["yes", "no"]
model = "(1|district)"
[questions.bridge]
text = "Should the bridge be closed?"
kind = "binary"
options = ["yes", "no"]
model = "(1|district)"
"""


def write_survey(folder: Path, survey_id: str = SURVEY) -> Path:
    """Write the survey folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "survey.toml").write_text(SURVEY_TOML.format(id=survey_id))
    districts = [(code, f"District {code[1]}", REGIONS[code], 0.1 * n) for n, code in enumerate(DISTRICTS)]
    pl.DataFrame(districts, schema=["code", "name", "region", "income"], orient="row").write_csv(
        folder / "districts.csv"
    )
    frame_table().rename({"n_people": "count"}).write_csv(folder / "frame.csv")
    return folder


def frame_table() -> pl.DataFrame:
    """District, gender, age and people; one cell is small."""
    rows = [
        (district, gender, age, 40 if (district, gender, age) == SMALL else 300 + 100 * a + 50 * g + 10 * d)
        for d, district in enumerate(DISTRICTS)
        for g, gender in enumerate(GENDERS)
        for a, age in enumerate(AGES)
    ]
    return pl.DataFrame(rows, schema=["district", "gender", "age", "n_people"], orient="row")


def wave_csv(n: int = 400, *, start: int = 0, questions: tuple[str, ...] = ("rail",)) -> bytes:
    """Interviews in every district but one, cell after cell."""
    asked = [d for d in DISTRICTS if d != SILENT]
    lines = [",".join(("id", "district", "gender", "age", *questions))]
    for i in range(n):
        answers = ["yes" if (i * 7 + q) % 5 < 3 else "no" for q in range(len(questions))]
        # Few interviews in D6, so that its count is not told.
        district = "D6" if i % 40 == 0 else asked[i % 4]
        row = (f"r{start + i}", district, GENDERS[(i // 4) % 2], AGES[(i // 8) % 3], *answers)
        lines.append(",".join(row))
    return ("\n".join(lines) + "\n").encode()


@dataclass
class KnownFit:
    """Stands in for the fit process: draws from a seeded generator; keeps them by question for tests."""

    seed: int = 1
    n_draws: int = 200
    problems: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    design: Any = None
    draws: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    def __call__(self, request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
        if request.outcome.kind != "binary":
            return self._fitted(request)
        self.design = build_design(request.formula, request.electorate, observed=observed_levels(request.counts))
        rng = np.random.default_rng(self.seed)
        self.seed += 1
        self.draws = rng.normal(0.2, 0.4, (self.n_draws, self.design.n_latents)).astype(np.float32)
        latents = LatentDraws(draws=self.draws, names=self.design.latent_names, n_chains=4)
        kept = adjust_fit(request, request.question, latents, self.design)
        told = {} if kept.diagnostics is None else {"known_totals": dict(kept.diagnostics)}
        return FitResult(
            engine="nuts",
            draws=kept.latents.to_bytes(),
            second=None if kept.second is None else kept.second.to_bytes(),
            design=kept.design.to_json(),
            verdict={"problems": self.problems, "warnings": [*self.warnings, *kept.warnings]},
            diagnostics={"divergences": 0, "parameters": [{"name": "intercept", "r_hat": 1.0}]} | told,
            priors={"intercept": "Normal(0, 1.5)"},
            versions={"known": "1"},
            seconds={"sample": 0.1},
            evidence=known_evidence(self.design, self.n_draws).to_bytes(),
        )

    def _fitted(self, request: FitRequest) -> FitResult:
        """Of other kinds of questions a real fit with few draws, good enough to be asked."""
        quick = replace(request, engine="laplace", laplace=LaplaceSettings(points=60, draws=self.n_draws))
        found = fit(quick, progress=StringIO())
        return replace(found, verdict={"problems": self.problems, "warnings": self.warnings})


def known_evidence(design: Design, n_draws: int) -> Evidence:
    """Standard deviations and energies of draws that nobody sampled."""
    rng = np.random.default_rng(7)
    names = hyper_names(design)
    return Evidence(
        hypers=np.abs(rng.normal(0.4, 0.1, (n_draws, len(names)))).astype(np.float32),
        names=names,
        prior_scale=np.full(sum(len(effect.columns) for effect in design.effects), 0.5),
        prior_shapes=np.empty((0, 2)),
        stats={
            "diverging": np.zeros(n_draws, dtype=np.bool_),
            "energy": rng.normal(100, 3, n_draws).astype(np.float32),
            "tree_depth": np.full(n_draws, 4, dtype=np.int32),
        },
    )


@dataclass
class World:
    """A service with two surveys in a fresh database."""

    store: Store
    secrets: SecretsFile
    settings: Settings
    now: datetime = NOON
    fit: KnownFit = field(default_factory=KnownFit)
    keys: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    client: TestClient[Any] = field(init=False)
    services: Services = field(init=False)
    edge: Edge = field(init=False)

    def __post_init__(self) -> None:
        cache = ReleaseCache(self.store, self.secrets, self.settings)
        self.services = Services(self.store, self.secrets, self.settings, cache, lambda: self.now)
        self.app = build(self.services)
        self.edge = with_edge(self.app, self.services)
        self.client = TestClient(self.edge, raise_server_exceptions=False)

    def key(self, role: str, survey: str | None = SURVEY, **about: Any) -> str:
        """A new key of this role."""
        if role == "pollster":
            about.setdefault("pollster", POLLSTER)
        about |= {"actor": "test", "now": self.now}
        return create_key(self.store, self.secrets, role=role, survey_id=survey, **about)[0]

    def get(self, path: str, role: str = "admin", **options: Any) -> Any:
        """GET with a key of this role."""
        return self.client.get(path, headers=self.bearer(role) | options.pop("headers", {}), **options)

    def bearer(self, role: str) -> dict[str, str]:
        """The header with a key of this role, made once."""
        if role not in self.keys:
            self.keys[role] = self.key(role)
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def session(self, role: str) -> dict[str, str]:
        """The header with the cookie of somebody who signed in on the web page with a key of this role."""
        key = self.bearer(role)["Authorization"]
        secret, _ = open_session(self.services, authenticate(self.services, key, now=self.now), self.now)
        return {"Cookie": f"hustings={secret}"}

    def page(self, path: str, role: str | None = "admin", **options: Any) -> Any:
        """GET a page as a browser would, signed in with a key of this role, or as a visitor."""
        if role is not None and role not in self.sessions:
            self.sessions[role] = self.session(role)
        headers = {"Accept": "text/html"} | (self.sessions[role] if role else {})
        return self.client.get(path, headers=headers | options.pop("headers", {}), **options)

    def push(
        self,
        reference: str = "w1",
        content: bytes | None = None,
        *,
        role: str = "pollster",
        survey: str = SURVEY,
        **fields: str | None,
    ) -> Any:
        """POST a wave; a field given as None is left out."""
        told = {"reference": reference, "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"} | fields
        return self.client.post(
            f"/v1/surveys/{survey}/waves",
            headers=self.bearer(role),
            data={name: value for name, value in told.items() if value is not None},
            files={"file": ("wave.csv", wave_csv() if content is None else content)},
        )

    def work(self) -> int:
        """Let a worker do everything that is due after the quiet time; tells how many jobs that was."""
        self.now += timedelta(minutes=1)
        worker = Worker(self.store, self.settings, fit=self.fit, clock=lambda: self.now)
        sending = WebhookThreads(self.store, self.settings, owner=worker.owner, clock=lambda: self.now)
        done = 0
        while worker.turn(self.now) or sending.turn(self.now):
            done += 1
        return done

    def release(self, reference: str = "w1", content: bytes | None = None, question: str = "rail") -> ReleaseRecord:
        """Push a wave and have it fitted; the release that is served then."""
        assert self.push(reference, content).status_code == 202
        self.work()
        with self.store.read() as session:
            current = releases.current_release(session, SURVEY, question)
        assert current is not None
        return current

    def forget_answers(self) -> None:
        """Have the next answers computed, whatever was asked before."""
        self.services.answers._bodies._values.clear()
        if self.edge.replies is not None:
            self.edge.replies._kept.clear()
        for loaded in self.services.releases._loaded._values.values():
            loaded._made._values.clear()

    def weekly_release(self) -> ReleaseRecord:
        """Have the first question fitted with an effect of every week, on interviews in the first and the last."""
        change_survey(self, "survey.toml", "gender + (1|district)", "gender + (1|district) + (1|period)")
        for number, end in enumerate(("2026-02-11", "2026-02-25")):
            days = {"fieldwork_start": "2026-02-09", "fieldwork_end": end}
            assert self.push(f"week{number}", wave_csv(200, start=1000 * number), **days).status_code == 202
        self.work()
        with self.store.read() as session:
            current = releases.current_release(session, SURVEY, "rail")
        assert current is not None
        return current

    def estimates(self, **parameters: Any) -> dict[str, Any]:
        """The estimates of the first question, with the admin's key."""
        reply = self.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates", params=parameters)
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body


def make_world(store: Store, folder: Path, **changes: Any) -> World:
    """Both surveys in the store, no wave yet."""
    settings = replace(Settings(), data_dir=folder, secrets_file=folder / "secrets.toml", **changes)
    secrets = SecretsFile(settings.secrets_file)
    for survey in (SURVEY, OTHER):
        add_survey(store, secrets, load_survey(write_survey(folder / survey, survey)), actor="test", now=NOON)
    return World(store, secrets, settings)


def change_survey(world: World, file: str, old: str, new: str) -> None:
    """Replace a piece of a file of the survey, which makes a new version."""
    path = world.settings.data_dir / SURVEY / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    update_survey(world.store, world.secrets, world.settings, load_survey(path.parent), actor="test", now=world.now)


FIELDWORK_END = date(2026, 2, 25)
