"""Units for systemd: the service as it should run on a server, with no more rights than it needs.

Paths are those of this installation and its settings. What the service writes is named; the rest of the file system is
read-only to it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from jobs.settings import Settings

__all__ = ["COMMANDS", "Unit", "writable_folders"]

COMMANDS = {
    "serve": ("serve", "web server and worker"),
    "api": ("api", "web server"),
    "worker": ("worker", "worker"),
}
"""Role -> the command that it runs, and what that is."""

STOP_S = {"serve": 15, "api": 15, "worker": 30}
"""Ends take five seconds at most; a worker may be in the middle of storing a fit."""

# MemoryDenyWriteExecute is not among them: compiled models are machine code made at run time. Nor is PrivateNetwork.
HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
CapabilityBoundingSet=
UMask=0077"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One service of systemd."""

    role: str
    """serve | api | worker"""
    settings: Settings
    settings_file: Path | None
    """Absolute; None if the settings come from the environment and defaults alone."""
    folder: Path
    """The working folder, absolute."""
    user: str
    memory_max: str | None = None

    def text(self) -> str:
        """The unit file."""
        command, about = COMMANDS[self.role]
        program = _program()
        settings = ["--settings", _quoted(self.settings_file)] if self.settings_file else []
        start = " ".join([_quoted(program), *settings, command])
        writable = writable_folders(self.settings)
        homes = any(_is_at_home(path) for path in (program, self.folder, *writable))
        lines = [
            "[Unit]",
            f"Description=hustings ({about})",
            "After=network-online.target",
            "Wants=network-online.target",
            "",
            "[Service]",
            "Type=exec",
            f"User={self.user}",
            f"WorkingDirectory={_escaped(self.folder)}",
            f"ExecStart={start}",
            *self._environment(),
            "Restart=on-failure",
            "RestartSec=2",
            # Ours ends its own processes; what is left after that is killed.
            "KillMode=mixed",
            f"TimeoutStopSec={STOP_S[self.role]}",
            *([f"MemoryMax={self.memory_max}"] if self.memory_max else []),
            HARDENING.format(home="read-only" if homes else "yes"),
            *(f"ReadWritePaths={_quoted(path)}" for path in writable),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
        return "\n".join(lines)

    def preparation(self) -> list[str]:
        """Commands that make the user and the folders which the unit names; run once, as root."""
        made = [f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {self.user}"]
        folders = [path for path in writable_folders(self.settings) if not path.is_dir()]
        return made + [f"install -d -o {self.user} -g {self.user} -m 0700 '{path}'" for path in folders]

    def _environment(self) -> list[str]:
        if self.settings.cache_dir is not None:
            return []
        # The user has no home to keep compiled models in.
        return ["CacheDirectory=hustings", "Environment=HUSTINGS_CACHE_DIR=%C/hustings"]


def writable_folders(settings: Settings) -> list[Path]:
    """The folders that the service writes to, each once, without those inside another one."""
    url = make_url(settings.store_url)
    found = [
        settings.data_dir,
        settings.backup_dir,
        # The list of erased respondents is beside the secrets.
        settings.secrets_file.parent,
        *([Path(str(url.database)).parent] if url.drivername == "sqlite" else []),
        *([settings.cache_dir] if settings.cache_dir else []),
    ]
    every = sorted({path.absolute() for path in found})
    return [path for path in every if not any(path != other and path.is_relative_to(other) for other in every)]


def _program() -> Path:
    # As the interpreter is called, not where its link leads: a virtual environment is known by that.
    return Path(sys.executable).absolute().with_name("hustings")


def _is_at_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in ("/home", "/root", "/run/user"))


def _escaped(path: Path) -> str:
    # A percent sign begins a specifier.
    return str(path).replace("\\", "\\\\").replace("%", "%%")


def _quoted(path: Path | None) -> str:
    text = _escaped(path) if path else ""
    plain = text.replace("%%", "").replace("/", "").replace(".", "").replace("-", "").replace("_", "")
    # In a command a dollar sign would begin a variable, quoted or not.
    return text if plain.isalnum() else '"' + text.replace('"', '\\"') + '"'
