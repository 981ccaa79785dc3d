import multiprocessing
import os
import stat
import tomllib
from pathlib import Path

import pytest

from polling.errors import SecretsError
from polling.secrets import SecretsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "held" / "secrets.toml"


def test_secrets_are_made_when_first_needed_and_stay(path: Path):
    held = SecretsFile(path)
    assert not path.exists()

    first = (held.pepper(), held.disclosure_key(), held.pseudonym_key("town"))

    again = SecretsFile(path)
    assert (again.pepper(), again.disclosure_key(), again.pseudonym_key("town")) == first
    assert {len(first[0]), len(first[1]), len(first[2].secret)} == {32}
    assert len({first[0], first[1], first[2].secret}) == 3


def test_only_the_owner_may_use_file_lock_and_folder_under_any_umask(path: Path):
    old = os.umask(0)
    try:
        SecretsFile(path).pepper()
    finally:
        os.umask(old)

    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {"secrets.toml": 0o600, "secrets.toml.lock": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int):
    SecretsFile(path).pepper()
    path.chmod(mode)

    with pytest.raises(SecretsError, match=f"mode {mode:04o}.*chmod 600"):
        SecretsFile(path).pepper()
    with pytest.raises(SecretsError, match="chmod 600"):
        SecretsFile(path).rotate_pseudonym_key("town")


def test_every_survey_has_its_own_key(path: Path):
    held = SecretsFile(path)

    assert held.pseudonym_key("town").secret != held.pseudonym_key("country").secret


def test_a_rotated_key_is_a_new_version_and_the_old_one_stays(path: Path):
    held = SecretsFile(path)
    first = held.pseudonym_key("town")

    second = held.rotate_pseudonym_key("town")

    assert (first.version, second.version) == (1, 2)
    assert held.pseudonym_key("town") == second
    assert held.pseudonym_key("town", version=1) == first


def test_the_newest_version_is_the_largest_number_and_not_the_last_text(path: Path):
    held = SecretsFile(path)
    for _ in range(10):
        held.rotate_pseudonym_key("town")

    assert held.pseudonym_key("town").version == 10
    assert held.rotate_pseudonym_key("town").version == 11


def test_a_version_that_is_not_there_is_not_made_up(path: Path):
    with pytest.raises(SecretsError, match="no version 3 of the pseudonym key of 'town'"):
        SecretsFile(path).pseudonym_key("town", version=3)
    assert not path.exists()


def test_a_secret_that_is_used_is_not_made_anew(path: Path):
    held = SecretsFile(path)
    for ask in (
        lambda: held.pepper(used=True),
        held.disclosure_key,
        lambda: held.pseudonym_key("town", used=1),
    ):
        with pytest.raises(SecretsError, match=r"does not exist.*restore the file"):
            ask()
    assert not path.exists()

    held.rotate_pseudonym_key("country")
    with pytest.raises(SecretsError, match="has no 'pepper', and the stored API keys were made with it"):
        held.pepper(used=True)
    with pytest.raises(SecretsError, match=r"has no 'pseudonym_keys\.town\.v1'"):
        held.pseudonym_key("town", used=1)


def test_an_older_copy_of_the_file_is_recognised_by_the_version_it_lacks(path: Path):
    held = SecretsFile(path)
    assert held.pseudonym_key("town").version == 1
    assert held.pseudonym_key("town", used=1).version == 1

    with pytest.raises(SecretsError, match="v2"):
        held.pseudonym_key("town", used=2)
    held.rotate_pseudonym_key("town")
    assert held.pseudonym_key("town", used=2).version == 2


@pytest.mark.parametrize("survey_id", ["", "A", "a.b", "a]\nb", "ä"])
def test_what_is_no_survey_id_has_no_key(path: Path, survey_id: str):
    with pytest.raises(SecretsError, match="no survey id"):
        SecretsFile(path).pseudonym_key(survey_id)


@pytest.mark.parametrize(
    "content",
    [
        b"pepper = ",
        b'pepper = "ab"',
        b'pepper = "not hexadecimal at all, is it?"',
        b"pepper = 3",
        b"\xff",
        b'pseudonym_keys = "x"',
        b"pseudonym_keys.town = 1",
        b'[pseudonym_keys.town]\nx = "00112233445566778899aabbccddeeff"',
    ],
)
def test_a_damaged_file_is_refused_without_quoting_it(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(SecretsError, match="Restore") as caught:
        SecretsFile(path).pseudonym_key("town") if b"pseudonym" in content else SecretsFile(path).pepper()
    assert "hexadecimal at all" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(SecretsError, match="cannot be"):
        SecretsFile(tmp_path / "file" / "secrets.toml").pepper()


def test_no_secret_is_in_a_representation(path: Path):
    key = SecretsFile(path).pseudonym_key("town")

    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
    assert "secrets.toml" in repr(SecretsFile(path))


def test_no_half_written_file_is_left(path: Path):
    held = SecretsFile(path)
    for survey in range(5):
        held.pseudonym_key(f"s{survey}")

    assert sorted(entry.name for entry in path.parent.iterdir()) == ["secrets.toml", "secrets.toml.lock"]
    assert len(tomllib.loads(path.read_text())["pseudonym_keys"]) == 5


def make_keys(path: Path, barrier: "multiprocessing.synchronize.Barrier", answers: "multiprocessing.Queue[list[str]]"):
    barrier.wait()
    held = SecretsFile(path)
    answers.put([held.pepper().hex(), *(held.pseudonym_key(f"s{n}").secret.hex() for n in range(10))])


def test_processes_that_begin_at_once_agree_on_every_key(path: Path):
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(4), spawn.Queue()
    processes = [spawn.Process(target=make_keys, args=(path, barrier, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0] * 4
    assert all(answer == found[0] for answer in found)


def test_the_keys_of_audit_and_suppression_are_made_once_and_are_their_own(path: Path):
    held = SecretsFile(path)
    assert not held.has_audit_key()
    first = (held.audit_key(), held.suppression_key("town"), held.suppression_key("country"))

    assert held.has_audit_key()
    again = SecretsFile(path)
    assert (
        again.audit_key(used=True),
        again.suppression_key("town", used=True),
        again.suppression_key("country"),
    ) == first
    assert len({*first, held.pepper()}) == 4
    with pytest.raises(SecretsError, match="no survey id"):
        held.suppression_key("../town")


def test_keys_that_are_used_and_missing_are_not_made_anew(path: Path):
    held = SecretsFile(path)
    held.pepper()

    with pytest.raises(SecretsError, match=r"has no 'audit_key'.*restore the file"):
        held.audit_key(used=True)
    with pytest.raises(SecretsError, match=r"has no 'suppression_keys\.town', and the erasures of 'town'"):
        held.suppression_key("town", used=True)
    assert "audit" not in path.read_text()


def test_what_an_operator_wrote_outlives_a_new_key(path: Path):
    path.parent.mkdir(mode=0o700)
    path.write_text(
        '[credentials.bucket]\nkey = "AK\\"ÅÄ"\nsecret = "s = [x] # y\\u0001"\nport = 99\ntls = true\n'
        'hosts = ["a", "b"]\n[credentials."two words".more]\nx = "1"\n'
    )
    path.chmod(0o600)
    held = SecretsFile(path)
    before = tomllib.loads(path.read_text())["credentials"]

    held.audit_key()
    held.suppression_key("town")
    held.rotate_pseudonym_key("town")

    assert tomllib.loads(path.read_text())["credentials"] == before
    assert held.credentials("bucket")["key"] == 'AK"ÅÄ'
    with pytest.raises(SecretsError, match=r"no section \[credentials\.other\]"):
        held.credentials("other")
