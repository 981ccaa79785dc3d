"""The rules of the house that a reviewer would otherwise have to remember: who imports whom, and what loads when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ALLOWED = {
    "mrp": set(),
    "polling": set(),
    "fixtures": set(),
    "jobs": {"mrp", "polling", "fixtures"},
    "api": {"jobs", "polling", "mrp", "fixtures"},
}
"""Which of our packages each one may import, besides itself."""

HEAVY = (
    *("pymc", "pytensor", "numba", "nutpie", "arviz", "arviz_stats", "pandas", "formulae"),
    *("matplotlib", "arviz_plots"),
)

TOP_LEVEL_FOLDERS = {"polling", "mrp", "api", "jobs", "tests", "fixtures"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_names(tree: ast.AST) -> set[str]:
    """Top-level names of everything imported anywhere in a module, function bodies included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_room_imports_only_the_rooms_it_may_know(package: str):
    forbidden = set(ALLOWED) - ALLOWED[package] - {package}
    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in sorted(imported_names(ast.parse(path.read_text())) & forbidden)
    ]
    assert offences == []


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_no_package_imports_its_tests(package: str):
    assert [p for p in modules(package) if "tests" in imported_names(ast.parse(p.read_text()))] == []


@pytest.mark.parametrize("package", ["mrp", "polling", "jobs", "api"])
def test_relative_imports_are_not_used_so_that_the_direction_can_be_read(package: str):
    relative = [
        path
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert relative == []


@pytest.mark.parametrize(
    "module",
    [
        "mrp",
        "mrp.outcomes",
        "mrp.joint",
        "polling",
        "jobs.worker",
        "jobs.receive",
        "api.app",
        "api.cli",
    ],
)
def test_importing_a_room_loads_no_sampler(module: str):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_the_mapped_classes_stay_inside_the_store():
    offences = [
        path.relative_to(ROOT)
        for package in ALLOWED
        for path in modules(package)
        if "polling/store" not in path.as_posix() and "polling.store.tables" in path.read_text()
    ]
    assert offences == []


def test_only_the_edges_commit():
    """A session is committed by ``Store.write`` alone; a repository that commits would split a caller's transaction."""
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("polling", "jobs", "api")
        for path in modules(package)
        if path.name != "engine.py" and "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert offences == []


def test_the_top_level_holds_only_the_folders_of_the_design():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {name.partition("/")[0] for name in tracked if "/" in name and not name.startswith(".")}
    assert folders <= TOP_LEVEL_FOLDERS
