"""What nobody may call or write, and the few places that may: the clock, transactions, fractions, faults, words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

from tests.house.sources import ROOT, Source, sources, written_text

THIS_FILE = str(Path(__file__).relative_to(ROOT))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of names, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def calls(file: Source) -> Iterator[tuple[str, ast.Call]]:
    """Every call that goes through plain names, and those names."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node


def guilty(wrong: Callable[[str], bool], *folders: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Where the product calls what `wrong` says, outside the allowed files and folders."""
    return [
        f"{file.place}:{node.lineno} {name}"
        for file in sources(*folders)
        if not file.place.startswith(allowed or "-")
        for name, node in calls(file)
        if wrong(name)
    ]


def test_the_clock_is_read_in_one_place() -> None:
    """Time is injected: only the clock itself, new ids and the launchers of local servers ask the machine."""
    read = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|localtime|gmtime))$")
    allowed = ("gamification/core/clock.py", "gamification/core/ids.py", "app/local/")
    assert guilty(lambda name: bool(read.search(name)), allowed=allowed) == []


def test_the_databases_clock_decides_leases_only() -> None:
    """`now()` in SQL would be a second clock: only leases, which two machines must agree on, are told by it."""
    told = re.compile(r"\b(now\(\)|clock_timestamp\(\)|current_timestamp|current_date|localtimestamp)", re.IGNORECASE)
    allowed = ("gamification/core/outbox.py",)
    found = [
        f"{file.place}:{node.lineno}"
        for file in sources("gamification", "schema")
        if not file.place.startswith(allowed)
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_sql(node.value)
        if told.search(node.value)
    ]
    assert found == []


def is_sql(text: str) -> bool:
    return bool(re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\b", text))


def test_no_parameter_stands_in_a_literal() -> None:
    """Reads that go together are one statement whose parameters are numbered anew, wherever in the text they stand."""
    found = [
        f"{file.place}:{node.lineno}"
        for file in sources("app", "gamification", "schema")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_sql(node.value)
        if any(re.search(r"\$\d", literal) for literal in literals(node.value))
    ]
    assert found == []


def literals(sql: str) -> list[str]:
    """What stands between apostrophes, comments aside."""
    return re.sub("--.*", "", sql).split("'")[1::2]


def test_there_is_one_door_to_a_transaction() -> None:
    """Only the engine and `core.transactions` open transactions; the ORM's own ways leak connections."""
    allowed = ("app/database.py", "gamification/core/transactions.py")
    doors = ("_in_transaction", "atomic", "transactions.in_transaction")
    assert guilty(lambda name: name.endswith(doors), allowed=allowed) == []
    written = re.compile(r"tortoise(\.| import .*\b)transactions|^\s*@atomic", re.MULTILINE)
    assert [file.place for file in sources() if written.search(file.text)] == []


def test_no_fraction_touches_points_or_money() -> None:
    """The product has no float: no `float`, no fraction written out, no `/`, except for seconds and for paths."""
    found = [
        f"{file.place}:{node.lineno}"
        for file in sources("gamification", "migrations")
        if file.place != "gamification/core/transactions.py"  # seconds of backing off
        for node in ast.walk(file.tree)
        if is_fraction(node, file) and "seconds" not in file.text.splitlines()[node.lineno - 1].lower()
    ]
    assert found == []


def is_fraction(node: ast.AST, file: Source) -> TypeGuard[ast.expr | ast.stmt]:
    """Whether a number that is not whole can come of it; where paths are used, `/` joins them."""
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, ast.Div) and "pathlib" not in file.imported
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    return dotted(node).split(".")[-1] in ("float", "round", "Decimal", "FloatField", "DecimalField")


def test_only_tools_print() -> None:
    """Services log; what a person at a terminal reads goes through click, progress lines through `app.progress`."""
    assert guilty(lambda name: name in ("print", "pprint", "pprint.pprint"), allowed=("app/progress.py",)) == []


def test_whoever_catches_everything_says_why() -> None:
    """A handler of every exception either raises again or carries a reason beside its exemption."""
    everything = ("Exception", "BaseException")
    found = []
    for file in sources():
        lines = file.text.splitlines()
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            reason = re.search(r"# noqa: BLE001 - \w", lines[node.lineno - 1])
            again = any(isinstance(each, ast.Raise) for each in ast.walk(node))
            if any(each is None or dotted(each) in everything for each in caught) and not reason and not again:
                found.append(f"{file.place}:{node.lineno}")
    assert found == []


def test_nothing_is_started_and_forgotten() -> None:
    """A task that nobody holds may be collected half-way and hides its fault: its result is always kept."""
    found = [
        f"{file.place}:{node.lineno}"
        for file in sources()
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if dotted(node.value.func) in ("asyncio.create_task", "asyncio.ensure_future")
    ]
    assert found == []


def lines_with(pattern: str, flags: re.RegexFlag = re.IGNORECASE) -> list[str]:
    found = re.compile(pattern, flags)
    return [f"{place}:{number}: {line.strip()}" for place, number, line in written_text() if found.search(line)]


def test_nothing_unfinished_is_written_down() -> None:
    """No file says that something is still to be done: it is done, or it is not there."""
    words = r"\b(todo|fixme|xxx|hack|tbd|wip|for now|coming soon|lorem|placeholder|not (yet )?implemented|stubs?)\b"
    found = [line for line in lines_with(words) if not re.search(r"asyncpg-stubs|library stub", line)]
    assert [line for line in found if not line.startswith(THIS_FILE)] == []
    assert guilty(lambda name: name == "NotImplementedError") == []


def test_no_file_knows_a_machine() -> None:
    """No path of somebody's home or checkout is written down."""
    machines = r"""(?<![\w.])(/(home|root|Users|mnt|work|opt)/\w|[A-Z]:\\\\?Users)"""
    assert [line for line in lines_with(machines, re.NOFLAG) if not line.startswith(THIS_FILE)] == []


def test_lock_files_name_versions_and_hashes_not_addresses() -> None:
    """Wherever packages come from is the installer's business: a lock file holds no address and no index."""
    locks = [path for path in sorted(ROOT.glob("*.lock")) if path.is_file()]
    assert [path.name for path in locks] == ["requirements-dev.lock", "requirements-uv.lock", "requirements.lock"]
    for path in locks:
        text = path.read_text()
        assert "://" not in text and "--index-url" not in text and " @ " not in text, path.name
        required = [line for line in text.splitlines() if re.match(r"^[a-z0-9].*==", line)]
        assert required and all(line.endswith("\\") for line in required), path.name
