"""Files are taken from folders, addresses and buckets once each, whole, and with an answer that is kept."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
import trustme

from jobs import source_read
from jobs.erasure import erase, overdue
from jobs.errors import SourceUnreachable
from jobs.source_hosts import checked_address
from jobs.survey import load_survey, update_survey
from jobs.tasks import house_tasks
from polling.store import sources, waves
from tests.jobs.house import House


def declare(house: House, tmp_path: Path, text: str) -> None:
    """Add a source to the survey."""
    folder = tmp_path / "declared"
    if not folder.exists():
        folder.mkdir()
        for file in house.written.path.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
    toml = folder / "survey.toml"
    pollster = house.written.waves[0].pollster
    toml.write_text(toml.read_text() + f'\n[[sources]]\nname = "drop"\npollster = "{pollster}"\n{text}\n')
    update_survey(house.store, house.secrets, house.settings, load_survey(folder), actor="test", now=house.now)


@pytest.fixture
def drop(house: House, tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    declare(house, tmp_path, f'kind = "folder"\npath = "{folder}"\npattern = "*.csv"')
    return folder


def look(house: House) -> str:
    said = {"survey_id": "demo", "name": "drop", "now": house.now}
    return str(source_read.read_source(house.store, house.secrets, house.settings, **said))


def looked_twice(house: House) -> str:
    look(house)
    house.wait(house.settings.source_settle_s)
    return look(house)


def files(house: House) -> list[tuple[str, str]]:
    with house.store.read() as session:
        return sorted((one.name, one.outcome) for one in sources.files_of(session, "demo", "drop"))


def stored(house: House) -> list[tuple[str, int, int]]:
    with house.store.read() as session:
        return [(one.reference, one.version, one.n_interviews) for one in waves.list_waves(session, "demo")]


def wave(house: House, number: int = 1) -> bytes:
    return house.written.waves[number - 1].path.read_bytes()


def sidecar(house: House, number: int = 1, **more: str) -> str:
    one = house.written.waves[number - 1]
    said = {"fieldwork_start": str(one.fieldwork_start), "fieldwork_end": str(one.fieldwork_end)} | more
    return "".join(f'{name} = "{value}"\n' for name, value in said.items())


def test_a_file_is_read_when_two_looks_saw_the_same(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    assert look(house) == "1 waiting"
    assert look(house) == "1 waiting"
    house.wait(house.settings.source_settle_s)
    assert look(house) == "1 taken"
    assert look(house) == "nothing new"
    assert stored(house) == [("w1", 1, 200)]
    with house.store.read() as session:
        (one,) = waves.list_waves(session, "demo")
    assert (one.received_by, one.file_name) == ("source:drop", "w1.csv")
    assert (drop / "w1.csv").exists()


def test_a_file_that_is_still_being_written_is_left_alone(house: House, drop: Path):
    content = wave(house)
    for size in (100, 2000, len(content)):
        (drop / "w1.csv").write_bytes(content[:size])
        assert look(house) == "1 waiting"
        house.wait(house.settings.source_settle_s)
    (drop / ".w2.csv").write_bytes(wave(house, 2))
    (drop / "w2.csv.part").write_bytes(wave(house, 2))
    assert look(house) == "1 taken"
    assert stored(house) == [("w1", 1, 200)]


def test_a_rejected_file_is_remembered_and_taken_when_it_was_corrected(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house).splitlines()[0] + b"\nnonsense\n")
    assert looked_twice(house) == "1 rejected"
    assert look(house) == "nothing new"
    with house.store.read() as session:
        (file,) = sources.files_of(session, "demo", "drop")
    assert "fault" in (file.detail or "")

    (drop / "w1.csv").write_bytes(wave(house))
    assert looked_twice(house) == "1 taken"
    assert files(house) == [("w1.csv", "rejected"), ("w1.csv", "taken")]


def test_what_is_kept_of_a_rejected_file_tells_where_and_why_but_nothing_from_its_cells(house: House, drop: Path):
    lines = wave(house).decode().splitlines()
    cells = lines[5].split(",")
    cells[-1] = "for my brother Dean"
    lines[5] = ",".join(cells)
    (drop / "w1.csv").write_text("\n".join(lines) + "\n")
    assert looked_twice(house) == "1 rejected"

    with house.store.read() as session:
        (file,) = sources.files_of(session, "demo", "drop")

    assert (file.detail or "").startswith("1 fault:\nrow 6, column ")
    assert "not an option" in (file.detail or "")
    assert "Dean" not in (file.detail or "")


def test_what_was_quoted_before_is_taken_out_by_an_erasure_and_by_the_clock(house: House):
    quoted = "2 faults\nrow 6, column 'rail': not an option (found 'for my\nbrother Dean'). Correct it."
    asked: dict[str, Any] = {"survey_id": "demo", "respondent": "nobody", "now": house.now, "actor": "test"}
    for clean in (
        lambda: erase(house.store, house.secrets, house.settings, **asked),
        lambda: overdue_now(house),
    ):
        with house.store.write() as session:
            old = sources.SourceFileRecord("drop", "w1.csv", "0" * 64, None, sources.REJECTED, quoted, house.now)
            sources.note_file(session, "demo", old)
        clean()
        with house.store.read() as session:
            (file,) = sources.files_of(session, "demo", "drop")
        assert (file.detail or "").startswith("2 faults: they are not kept any more.")
        assert "Dean" not in (file.detail or "")


def overdue_now(house: House) -> None:
    with house.store.write() as session:
        overdue(session, house.settings, now=house.now)


def test_the_same_file_touched_or_under_another_name_counts_once(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    looked_twice(house)
    os.utime(drop / "w1.csv", (1, 1))
    assert looked_twice(house) == "nothing new"
    (drop / "copy.csv").write_bytes(wave(house))
    assert looked_twice(house) == "1 conflict"
    assert stored(house) == [("w1", 1, 200)]


def test_other_content_under_a_name_is_a_conflict_that_is_shown(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    looked_twice(house)
    fewer = b"".join(wave(house).splitlines(keepends=True)[:-5])
    (drop / "w1.csv").write_bytes(fewer)
    assert looked_twice(house) == "1 conflict"
    assert files(house) == [("w1.csv", "conflict"), ("w1.csv", "taken")]
    assert stored(house) == [("w1", 1, 200)]

    (drop / "w1.csv.toml").write_text(sidecar(house, replaces="w1", reason="double rows"))
    assert looked_twice(house) == "1 taken"
    assert stored(house) == [("w1", 2, 195)]


def test_a_sidecar_tells_reference_dates_and_facts(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    (drop / "w1.csv.toml").write_text(sidecar(house, reference="October") + '[facts]\nmode = "phone"\n')
    assert looked_twice(house) == "1 taken"
    with house.store.read() as session:
        (one,) = waves.list_waves(session, "demo")
    assert (one.reference, one.facts) == ("October", {"mode": "phone"})
    assert one.fieldwork_start == house.written.waves[0].fieldwork_start


def test_a_sidecar_that_cannot_be_read_rejects_its_file(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    (drop / "w1.csv.toml").write_text('referense = "x"\nfieldwork_start = 1\n')
    assert looked_twice(house) == "1 rejected"
    assert stored(house) == []


def test_links_and_what_is_too_large_are_refused(house: House, drop: Path, tmp_path: Path):
    (tmp_path / "secret.csv").write_bytes(wave(house))
    (drop / "w1.csv").symlink_to(tmp_path / "secret.csv")
    (drop / "below.csv").mkdir()
    os.mkfifo(drop / "pipe.csv")
    house.settings = replace(house.settings, max_upload_mb=1)
    (drop / "big.csv").write_bytes(b"x" * 1_000_001)
    looked_twice(house)
    assert files(house) == [("big.csv", "refused"), ("pipe.csv", "refused"), ("w1.csv", "refused")]
    assert stored(house) == []


def test_a_link_that_takes_the_place_of_a_file_after_the_look_is_not_followed(house: House, drop: Path, tmp_path: Path):
    (tmp_path / "secret.csv").write_bytes(wave(house))
    (drop / "w1.csv").write_bytes(wave(house))
    look(house)
    house.wait(house.settings.source_settle_s)
    from jobs.source_folder import Folder

    whole = Folder.fetch

    def swapped(self: Folder, offered: Any) -> Any:
        (drop / "w1.csv").unlink()
        (drop / "w1.csv").symlink_to(tmp_path / "secret.csv")
        return whole(self, offered)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "fetch", swapped)
        assert look(house) == "1 refused"
    assert stored(house) == []


def test_a_crash_leaves_a_file_stored_and_known_or_neither(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    look(house)
    house.wait(house.settings.source_settle_s)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "note_file", killed)
        with pytest.raises(KeyboardInterrupt):
            look(house)
    assert (stored(house), files(house)) == ([], [("w1.csv", "waiting")])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "note_state", killed)  # after the file, before the look is noted
        with pytest.raises(KeyboardInterrupt):
            look(house)
    assert look(house) == "nothing new"
    assert stored(house) == [("w1", 1, 200)]


def test_a_file_pushed_before_is_taken_as_the_same_wave(house: House, drop: Path):
    first = house.push(1).wave
    (drop / f"{first.reference}.csv").write_bytes(wave(house))
    (drop / f"{first.reference}.csv.toml").write_text(sidecar(house))
    assert looked_twice(house) == "1 taken"
    assert len(stored(house)) == 1


def test_the_clock_asks_and_a_worker_looks_until_the_file_has_settled(house: House, drop: Path):
    (drop / "w1.csv").write_bytes(wave(house))
    (task,) = [one for one in house_tasks(house.settings) if one.name == "read-sources"]
    with house.store.write() as session:
        task.run(session, house.now)
        task.run(session, house.now)
    (job,) = [one for one in house.jobs("queued") if one.kind == "source"]
    assert job.asked == 1
    worker = house.worker()
    assert worker.turn(house.now)
    house.wait(house.settings.source_settle_s)
    while [one for one in house.jobs("queued") if one.kind == "source"]:
        assert worker.turn(house.now)
    assert stored(house) == [("w1", 1, 200)]
    with house.store.write() as session:
        task.run(session, house.now)
        assert not [one for one in house.jobs("queued") if one.kind == "source"]
        task.run(session, house.now + timedelta(minutes=16))
    assert [one for one in house.jobs("queued") if one.kind == "source"]


def test_a_folder_that_is_away_is_noted_and_tried_again(house: House, drop: Path):
    drop.rmdir()
    with pytest.raises(SourceUnreachable, match="cannot be read"):
        look(house)
    with house.store.read() as session:
        assert sources.states_of(session, "demo")["drop"].outcome == "unreachable"


class Web(ThreadingHTTPServer):
    """A server of one file, and of a bucket; remembers what it was asked."""

    def __init__(self) -> None:
        self.content = b""
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.redirect: str | None = None
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.server.redirect:
            return self.reply(302, b"", {"Location": self.server.redirect})
        if path.startswith("/polls"):
            return self.bucket(path.removeprefix("/polls").strip("/"))
        tag = f'"{hash(self.server.content)}"'
        if self.headers.get("If-None-Match") == tag:
            return self.reply(304, b"", {"ETag": tag})
        return self.reply(200, self.server.content, {"ETag": tag})

    def bucket(self, key: str) -> None:
        if key:
            content = self.server.objects[key]
            about = {"ETag": f'"{len(content)}"', "Last-Modified": "Mon, 06 Oct 2025 12:00:00 GMT"}
            return self.reply(200, content, about)
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        listed = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2025-10-06T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{len(content)}&quot;</ETag><Size>{len(content)}</Size></Contents>"
            for name, content in self.server.objects.items()
            if name.startswith(prefix)
        )
        text = f"<ListBucketResult><Name>polls</Name><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        return self.reply(200, text.encode(), {"Content-Type": "application/xml"})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.server.asked.append((self.path, status))
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def place(web: Web) -> str:
    return f"http://127.0.0.1:{web.server_address[1]}"


@pytest.fixture
def address(house: House, web: Web, tmp_path: Path) -> Web:
    house.settings = replace(house.settings, source_networks="any", source_timeout_s=5.0)
    web.content = wave(house)
    declare(house, tmp_path, f'kind = "https"\nurl = "{place(web)}/out/w1.csv?x=1"')
    return web


def test_an_address_is_read_again_only_when_it_changed(house: House, address: Web):
    assert look(house) == "1 taken"
    assert look(house) == "nothing new"
    assert [status for _, status in address.asked] == [200, 304]
    assert stored(house) == [("w1", 1, 200)]
    address.content = b"".join(wave(house).splitlines(keepends=True)[:-5])
    assert look(house) == "1 conflict"


def test_a_certificate_has_to_be_trusted_and_of_the_host_that_was_named(
    house: House, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # The connection goes to the address that was looked up and checked; the certificate is that of the name.
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", web.server_address)]
    monkeypatch.setattr("jobs.source_hosts.socket.getaddrinfo", lambda *_, **__: here)
    authority = trustme.CA()
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.handle_error = lambda *_: None  # the client hangs up, as it should
    house.settings = replace(house.settings, source_networks="any", source_timeout_s=5.0)
    web.content = wave(house)
    declare(house, tmp_path, f'kind = "https"\nurl = "https://polls.example:{web.server_address[1]}/out/w1.csv"')

    authority.issue_cert("polls.example").configure_cert(context)
    with pytest.raises(SourceUnreachable, match="ConnectError"):
        look(house)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert look(house) == "1 taken"
    authority.issue_cert("other.example").configure_cert(context)
    with pytest.raises(SourceUnreachable, match="ConnectError"):
        look(house)


def test_a_source_may_say_that_changed_content_replaces(house: House, address: Web, tmp_path: Path):
    toml = tmp_path / "declared" / "survey.toml"
    toml.write_text(toml.read_text() + 'changed = "replaces"\n')
    bundle = load_survey(toml.parent)
    update_survey(house.store, house.secrets, house.settings, bundle, actor="test", now=house.now)
    assert look(house) == "1 taken"
    address.content = b"".join(wave(house).splitlines(keepends=True)[:-5])
    assert look(house) == "1 taken"
    assert stored(house) == [("w1", 2, 195)]


def test_too_much_elsewhere_or_broken_is_not_taken(house: House, address: Web):
    house.settings = replace(house.settings, max_upload_mb=1)
    address.content = b"x" * 1_000_001
    assert look(house) == "1 refused"
    address.redirect = "http://127.0.0.2/other"
    with pytest.raises(SourceUnreachable, match="not https"):
        look(house)
    address.redirect = "/again"
    with pytest.raises(SourceUnreachable, match="redirects more than"):
        look(house)
    assert stored(house) == []


@pytest.mark.parametrize("kind", ["https", "s3"])
def test_an_address_that_is_not_public_is_not_asked(house: House, web: Web, tmp_path: Path, kind: str):
    where = f'url = "{place(web)}/w.csv"' if kind == "https" else f'bucket = "polls"\nendpoint = "{place(web)}"'
    declare(house, tmp_path, f'kind = "{kind}"\n{where}')
    with pytest.raises(SourceUnreachable, match="is not public"):
        look(house)
    assert web.asked == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "0.0.0.0", "100.64.0.1", "fd00::1"]
)
def test_addresses_of_this_network_are_not_public(house: House, host: str):
    with pytest.raises(SourceUnreachable, match="not public"):
        checked_address(host, 443, house.settings)


def test_a_bucket_is_listed_and_read_below_its_prefix(house: House, web: Web, tmp_path: Path):
    house.settings = replace(house.settings, source_networks="any", source_timeout_s=5.0)
    web.objects = {
        "out/w1.csv": wave(house, 1),
        "out/w1.csv.toml": sidecar(house, 1, reference="first").encode(),
        "out/below/w2.csv": wave(house, 2),
        "other/w3.csv": wave(house, 3),
    }
    where = f'kind = "s3"\nbucket = "polls"\nprefix = "out"\nendpoint = "{place(web)}"\ncredentials = "store"'
    declare(house, tmp_path, where)
    with house.settings.secrets_file.open("a") as file:
        file.write('\n[credentials.store]\naccess_key_id = "a"\nsecret_access_key = "b"\n')
    assert look(house) == "1 taken"
    n_asked = len(web.asked)
    assert look(house) == "nothing new"
    assert len(web.asked) == n_asked + 1  # the list alone
    assert stored(house) == [("first", 1, 200)]


def test_the_command_line_looks_and_shows(house: House, drop: Path, tmp_path: Path):
    from click.testing import CliRunner

    from api.cli import cli

    settings = tmp_path / "hustings.toml"
    settings.write_text(
        f'data_dir = "{house.settings.data_dir}"\nsecrets_file = "{house.settings.secrets_file}"\nsource_settle_s = 0\n'
    )

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["--settings", str(settings), "source", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "not looked at yet" in run("list", "demo")
    (drop / "w1.csv").write_bytes(wave(house))
    (drop / "w2.csv").write_bytes(b"nonsense\n")
    assert run("run", "demo") == "drop: 1 rejected, 1 taken\n"
    assert run("run", "demo", "drop") == "drop: nothing new\n"
    assert "rejected" in run("run", "demo", "--retry")
    assert "w2.csv" in run("files", "demo")


def test_a_source_without_its_credentials_is_told_and_keeps_no_other_from_being_read(
    house: House, drop: Path, tmp_path: Path
):
    from click.testing import CliRunner

    from api.checkup_database import CHECKS
    from api.cli import cli
    from api.cli.runtime import Runtime

    toml = tmp_path / "declared" / "survey.toml"
    pollster = house.written.waves[0].pollster
    bucket = f'name = "away"\npollster = "{pollster}"\nkind = "s3"\nbucket = "b"\ncredentials = "none"\n'
    text = toml.read_text()
    place = text.index("[[sources]]")
    toml.write_text(f"{text[:place]}[[sources]]\n{bucket}\n{text[place:]}")
    update_survey(house.store, house.secrets, house.settings, load_survey(toml.parent), actor="test", now=house.now)
    (drop / "w1.csv").write_bytes(wave(house))
    settings = tmp_path / "hustings.toml"
    settings.write_text(
        f'data_dir = "{house.settings.data_dir}"\nsecrets_file = "{house.settings.secrets_file}"\nsource_settle_s = 0\n'
    )

    done = CliRunner().invoke(cli, ["--settings", str(settings), "source", "run", "demo"])

    assert done.exit_code == 1
    assert "drop: 1 taken" in done.output
    assert "Could not be read: away." in done.output
    listed = CliRunner().invoke(cli, ["--settings", str(settings), "source", "list", "demo"]).output
    assert "has no section [credentials.none]" in listed
    assert "not looked at yet" not in listed
    runtime: Any = Runtime.__new__(Runtime)
    found = CHECKS["sources"](house.store, runtime)
    assert (found.ok, "1 of 2 cannot be read, demo/away" in found.found) == (False, True)
