"""What the processes that read files have used."""

from pathlib import Path

from polling.formats.limited import Readers

__all__ = ["peak_mb"]


def peak_mb(readers: Readers) -> float:
    """The most memory that a process which is still there has had; one that is gone was ended by its limit."""
    found = [0.0]
    for reader in readers._idle:
        status = Path(f"/proc/{reader._process.pid}/status")
        if status.exists():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            found.append(int(lines.get("VmHWM", "0 kB").split()[0]) / 1000)
    return max(found)
