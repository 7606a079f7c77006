"""How long things are, and that each says what it is."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import reduce
from importlib import import_module

from tests.house.sources import Source, sources

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
FLOORS = ("app", "schema", "gamification")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], before: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions, classes and what stands in classes, each with its dotted name; not what stands inside functions."""
    for node in body:
        if isinstance(node, Definition):
            yield before + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{before}{node.name}.")


def is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def test_files_can_be_read_in_one_sitting() -> None:
    """No file of the product passes 400 lines, no file of its tests 500."""
    kinds = ((FILE_LINES_MAX, (*FLOORS, "migrations")), (TEST_FILE_LINES_MAX, ("tests",)))
    lengths = [(file.place, file.text.count("\n"), most) for most, folders in kinds for file in sources(*folders)]
    assert [(place, lines) for place, lines, most in lengths if lines > most] == []


def test_functions_fit_a_screen() -> None:
    """No function passes 60 lines."""
    found = [
        f"{file.place}:{node.lineno} {node.name}"
        for file in sources("app", "schema", "gamification", "migrations", "tests")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert found == []


def test_every_file_begins_by_saying_what_it_holds() -> None:
    """Each module has a docstring; an `__init__` of tests alone may be empty."""
    files = [file for file in sources(*FLOORS, "migrations", "tests") if file.text or not is_tests_package(file)]
    assert [file.place for file in files if not ast.get_docstring(file.tree)] == []


def is_tests_package(file: Source) -> bool:
    return file.place.startswith("tests/") and file.path.name == "__init__.py"


def says_elsewhere(file: Source, node: Definition) -> bool:
    """Whether what it is stands in a place of its own: a description in the schema, a line of help, the ORM's Meta."""
    if any(isinstance(each, ast.Call) and described(each) for each in node.decorator_list):
        return True
    if not isinstance(node, ast.ClassDef):
        return file.place.startswith("schema/") and node.name == "of"  # everywhere: this type from that row
    refusal = any(keyword.arg == "of" for keyword in node.keywords)  # takes the text of the product's class
    root = file.place.startswith("schema/") and node.name.endswith(("Query", "Mutation", "Subscription"))
    return node.name == "Meta" or refusal or root


def described(call: ast.Call) -> bool:
    return any(keyword.arg in ("description", "help") for keyword in call.keywords)


def promised() -> set[str]:
    """Methods that a protocol of the product describes; who implements it has nothing to add."""
    protocols = [
        node
        for file in sources(*FLOORS)
        for _, node in definitions(file.tree.body)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    ]
    return {node.name for each in protocols for _, node in definitions(each.body) if ast.get_docstring(node)}


def inherits_what_it_is(file: Source, name: str) -> bool:
    """Whether a class above says it: an override need not repeat its contract."""
    if "." not in name:
        return False
    if name.split(".")[-1] in promised():
        return True
    found = reduce(getattr, name.split("."), import_module(file.module))
    return bool(inspect.getdoc(found))


def test_everything_public_says_what_it_is() -> None:
    """Every public function, class and method has a docstring, or a description in the schema."""
    silent = [
        f"{file.place} {name}"
        for file in sources(*FLOORS)
        for name, node in definitions(file.tree.body)
        if is_public(name) and not ast.get_docstring(node)
        if not says_elsewhere(file, node) and not inherits_what_it_is(file, name)
    ]
    assert silent == []


def test_every_test_is_a_sentence() -> None:
    """A test's docstring says what is true of the product; it ends like a sentence."""
    silent = [
        f"{file.place} {name}"
        for file in sources("tests", name="test_*.py")
        for name, node in definitions(file.tree.body)
        if node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").rstrip().endswith((".", "!", "?", ":", ")"))
    ]
    assert silent == []
