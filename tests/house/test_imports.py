"""Who may import whom: the contracts of `pyproject.toml`, and what each kind of file of a slice may know."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.house.sources import ROOT, Source, slices, source, sources

VALUES = {f"gamification.core.{name}" for name in ("calendar", "chance", "encoding", "errors", "merkle", "policy")}
"""Modules of the core that a pure decision may use."""


def test_the_import_contracts_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Floors, slices and foreign packages: every contract of `[tool.importlinter]` is kept."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    kept = lint_imports(no_cache=True) == 0
    assert kept, capsys.readouterr().out


def strangers(files: Iterable[Source], allowed: Callable[[Source, str], bool]) -> list[str]:
    """What these files import and may not."""
    return [
        f"{file.place} imports {module}"
        for file in files
        for module in sorted(file.imported)
        if not allowed(file, module)
    ]


def is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def is_ours(module: str) -> bool:
    return module.split(".")[0] in {"app", "schema", "gamification", "migrations"}


def slice_of(file: Source) -> str:
    return ".".join(file.module.split(".")[:2])


def test_rules_are_pure_decisions() -> None:
    """A slice's `rules.py` knows the standard library, values of the core, its refusals, rules of slices below."""
    side_effects = {"asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time"}

    def allowed(file: Source, module: str) -> bool:
        if is_standard(module):
            return module.split(".")[0] not in side_effects
        own_refusals = f"{slice_of(file)}.errors"
        return module in VALUES | {own_refusals, "orjson"} or (is_ours(module) and module.endswith(".rules"))

    assert strangers(slices("rules.py"), allowed) == []


def test_rules_do_not_wait() -> None:
    """Nothing in a `rules.py` is asynchronous: what has to be read is given to it."""
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    guilty = [file.place for file in slices("rules.py") for node in ast.walk(file.tree) if isinstance(node, waiting)]
    assert guilty == []


def test_models_know_no_verbs() -> None:
    """A slice's `models.py` knows the ORM, ids and kinds of index; other slices' models it names by string."""
    known = {"gamification.core.ids", "gamification.core.indexes"}

    def allowed(file: Source, module: str) -> bool:
        return is_standard(module) or module.split(".")[0] == "tortoise" or module in known

    assert strangers(slices("models.py"), allowed) == []


def test_refusals_events_and_invariants_know_nothing_of_the_work() -> None:
    """Refusals stand on `core.errors`, events and invariants on the standard library alone."""
    refusals = [file for file in slices("errors.py") if file.module != "gamification.core.errors"]
    facts = slices("events.py") + slices("invariants.py")
    assert strangers(refusals, lambda file, module: is_standard(module) or module == "gamification.core.errors") == []
    assert strangers(facts, lambda file, module: is_standard(module)) == []


def test_queries_call_no_verb_and_open_no_transaction() -> None:
    """A slice's `queries.py` reads: it imports no service and no transaction."""

    def allowed(file: Source, module: str) -> bool:
        return ".service" not in module and module != "gamification.core.transactions"

    assert strangers(slices("queries.py"), allowed) == []


def test_jobs_use_their_own_slice_and_the_core() -> None:
    """What a slice does by timer or on an event is its own verbs; it reaches other slices through those."""

    def allowed(file: Source, module: str) -> bool:
        return not is_ours(module) or module.startswith(("gamification.core.", slice_of(file) + "."))

    assert strangers(slices("jobs.py"), allowed) == []


def test_the_front_page_of_a_slice_holds_no_code() -> None:
    """`gamification/<slice>/__init__.py` is prose alone: its theory of operation and its invariants."""
    for page in slices("__init__.py"):
        assert len(page.tree.body) == 1 and ast.get_docstring(page.tree), page.place


def test_the_environment_is_read_by_processes_only() -> None:
    """Environment variables are the business of `app`; whoever is below is given what it needs."""
    for file in sources("schema", "gamification", "migrations"):
        names = {node.attr for node in ast.walk(file.tree) if isinstance(node, ast.Attribute)} | file.imported
        assert not names & {"environ", "getenv", "pydantic_settings", "dotenv"}, file.place


def test_the_room_of_execution_knows_graphql_and_nothing_of_loyalty() -> None:
    """`schema/execution` could be lifted out: it stands on the standard library, graphql-core and strawberry."""

    def allowed(file: Source, module: str) -> bool:
        return is_standard(module) or module.split(".")[0] in ("graphql", "strawberry") or module.startswith(room)

    room = "schema.execution."
    assert strangers(sources("schema/execution"), allowed) == []


def test_verifiers_need_nothing_but_python() -> None:
    """Who doubts us runs a verifier on a bare Python: it imports the standard library alone."""
    verifiers = [source(Path(path)) for path in sorted((ROOT / "docs" / "verifiers").glob("*.py"))]
    assert verifiers
    assert strangers(verifiers, lambda file, module: is_standard(module)) == []
