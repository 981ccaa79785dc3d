"""The demo believes only what it sees: a stand-in service that behaves, and ones that do not."""

import httpx
import pytest

from jobs.demo import DemoKeys, run_demo
from jobs.errors import DemoFailed

SHARES = {1: {"D1": 0.40, "D2": 0.50}, 2: {"D1": 0.45, "D2": 0.48}}


class Service:
    """Answers as the real service does; each wave round makes one release per question."""

    def __init__(self, **faults):
        self.faults = faults
        self.pushed = []
        self.release = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/surveys/demo")
        if request.headers["Authorization"] not in ("Bearer push", "Bearer read"):
            return httpx.Response(401, json={"title": "no"})
        if request.method == "POST":
            return self.push(request)
        if path.startswith("/jobs/"):
            state = self.faults.get("job", "succeeded")
            self.release = 2 if len(self.pushed) == 3 else 1
            return httpx.Response(
                200, json={"state": state, "detail": "R-hat is 1.2", "progress": 0.5, "stage": "sample"}
            )
        if path == "/questions":
            return httpx.Response(200, json={"questions": [{"id": "rail"}]})
        return self.estimates(dict(request.url.params))

    def push(self, request: httpx.Request) -> httpx.Response:
        if self.faults.get("known"):
            return httpx.Response(200, json={})
        self.pushed.append(request)
        round_ = len(self.pushed) if self.faults.get("asks_twice") else (1 if len(self.pushed) < 3 else 2)
        jobs = [
            {"id": f"job{round_}", "question": "rail", "state": "queued", "url": f"/v1/surveys/demo/jobs/job{round_}"}
        ]
        return httpx.Response(202, json={"n_interviews": 200, "jobs": [] if self.faults.get("no_refit") else jobs})

    def estimates(self, asked: dict[str, str]) -> httpx.Response:
        number = int(asked.get("release", "r0")[1:]) or (1 if self.faults.get("no_release") else self.release)
        shares = {"all": 0.45 if number == 1 else 0.47} if asked["level"] == "nation" else SHARES[number]
        rows = [
            {"area": area, "area_name": area, "share": share, "low": share - 0.05, "high": share + 0.05, "flags": []}
            for area, share in shares.items()
        ]
        if self.faults.get("no_interval"):
            rows = [{**row, "low": row["share"], "high": row["share"]} for row in rows]
        body = {"text": "A rail line?", "option": "Build it", "release_number": number, "release_id": f"r{number}"}
        return httpx.Response(200, json={**body, "data_through": "2025-09-05", "estimates": rows})


def demo(written, service, said=None):
    return run_demo(
        "http://service",
        DemoKeys(pollsters={wave.pollster: "push" for wave in written.waves}, reader="read"),
        survey="demo",
        waves=written.waves,
        report=lambda text, _share: (said if said is not None else []).append(text),
        transport=httpx.MockTransport(service),
    )


def test_the_demo_pushes_two_waves_then_one_and_reads_both_releases(written):
    service, said = Service(), []
    result = demo(written, service, said)

    assert [topline.release_number for topline in result.first] == [1]
    assert [topline.share for topline in result.toplines] == [0.47]
    assert [row["area"] for row in result.districts] == ["D1", "D2"]
    assert "1 refits asked for 2 waves" in said
    assert b"wave-3" in service.pushed[2].content


def test_the_revision_has_the_national_change_and_the_largest_districts_first(written):
    [revision] = demo(written, Service()).revisions

    assert (revision.from_release, revision.to_release, revision.cause) == (1, 2, "data")
    assert revision.national == pytest.approx(0.02)
    assert [name for name, _ in revision.districts] == ["D1", "D2"]
    assert [change for _, change in revision.districts] == pytest.approx([0.05, -0.02])


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"known": True}, "was there already"),
        ({"no_refit": True}, "no refit was asked for"),
        ({"asks_twice": True}, "asked twice"),
        ({"job": "failed"}, "R-hat is 1.2"),
        ({"no_release": True}, "brought no new release"),
        ({"no_interval": True}, "without usable intervals"),
    ],
)
def test_a_step_that_did_not_happen_fails_the_demo(written, faults, said):
    with pytest.raises(DemoFailed, match=said):
        demo(written, Service(**faults))


def test_a_refused_request_is_quoted(written):
    with pytest.raises(DemoFailed, match=r"answered 401.*no"):
        run_demo(
            "http://service",
            DemoKeys(pollsters={wave.pollster: "wrong" for wave in written.waves}, reader="read"),
            survey="demo",
            waves=written.waves,
            report=lambda *_: None,
            transport=httpx.MockTransport(Service()),
        )


def test_the_demo_does_not_wait_for_ever(written):
    with pytest.raises(DemoFailed, match="when patience ended"):
        run_demo(
            "http://service",
            DemoKeys(pollsters={wave.pollster: "push" for wave in written.waves}, reader="read"),
            survey="demo",
            waves=written.waves,
            report=lambda *_: None,
            patience_s=0.0,
            transport=httpx.MockTransport(Service(job="running")),
        )


def test_what_the_demo_sends_is_a_form_with_the_dates(written):
    service = Service()
    demo(written, service)
    sent = service.pushed[0].content

    assert b'name="fieldwork_start"\r\n\r\n2025-09-01' in sent
    assert service.pushed[0].headers["Content-Type"].startswith("multipart/form-data")
