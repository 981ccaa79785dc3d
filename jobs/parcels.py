"""A folder of files as bytes, for machines that share no disk.

What crosses to a fit process is a folder (``jobs.fit_request``); on another machine the same folder is unpacked from a
parcel, a MessagePack map of relative names to contents. A parcel comes over a network, so its names are not believed:
one that leads out of the folder is refused.
"""

from pathlib import Path, PurePosixPath

import msgspec

from jobs.errors import SpoolError

__all__ = ["pack", "unpack"]


def pack(folder: Path) -> bytes:
    """Every file below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return msgspec.msgpack.encode({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def unpack(parcel: bytes, folder: Path) -> None:
    """Write the files of a parcel into ``folder``, which exists; folders 0700, files 0600.

    Raises
    ------
    SpoolError
        If it is no parcel, or a name leads out of the folder; nothing is written then.
    """
    try:
        files = msgspec.msgpack.decode(parcel, type=dict[str, bytes])
    except msgspec.MsgspecError as error:
        raise SpoolError(f"What came from another machine is no parcel of files: {error}.") from None
    for name in files:
        place = PurePosixPath(name)
        if place.is_absolute() or not place.parts or {"..", "\0"} & {*place.parts, *name}:
            raise SpoolError(f"A parcel from another machine has a file {name!r}, which would lie outside its folder.")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(content)
