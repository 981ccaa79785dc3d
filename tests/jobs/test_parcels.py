"""A folder as bytes: it comes back as it was, and a name that leads out of it is refused."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import SpoolError
from jobs.parcels import pack, unpack

NAMES = st.lists(st.sampled_from(["a", "b", "c.json"]), min_size=1, max_size=3).map(
    # A name is a folder or a file, never both.
    lambda parts: "/".join([*(f"in-{part}" for part in parts[:-1]), parts[-1]])
)


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=40)))
def test_a_folder_comes_back_as_it_was(files):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        unpack(msgspec.msgpack.encode(files), Path(one))
        unpack(pack(Path(one)), Path(other))

        found = {path for path in Path(other).rglob("*") if path.is_file()}
        assert {path.relative_to(other).as_posix(): path.read_bytes() for path in found} == files
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in found)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up", "", ".", "nul\0"])
def test_a_name_that_leads_out_of_the_folder_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(SpoolError, match="outside its folder"):
        unpack(msgspec.msgpack.encode({"fine": b"1", name: b"2"}), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("parcel", [b"", b"no parcel", msgspec.msgpack.encode({"a": 1})])
def test_what_is_no_parcel_is_refused(tmp_path, parcel):
    with pytest.raises(SpoolError, match="no parcel of files"):
        unpack(parcel, tmp_path)
