"""Loads and drafts as SQL: one statement reads everything a batch rests on, one writes everything it decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from tortoise.fields import CharField
from tortoise.models import Model

from gamification.core.draft import Argument, Draft, Guard, Load, Loaded, Rows


@dataclass(frozen=True)
class LoadStatement:
    """The composed SELECT of some loads: a column of record arrays per load, and the newest policy revision."""

    sql: str
    loads: tuple[Load, ...]
    own: tuple[Callable[[Sequence[Any], datetime], Any], ...]

    def arguments(self, members: Sequence[UUID], now: datetime, commands: Sequence[Any]) -> list[Any]:
        """The values of the statement's parameters for these members and commands."""
        return [members, now, *(work_out(commands, now) for work_out in self.own)]

    def read(self, record: Any) -> tuple[int, Loaded]:
        """The newest policy revision, and the rows by member or key."""
        loaded = Loaded()
        for load, rows in zip(self.loads, list(record)[1:], strict=True):
            parsed = [load.row(*row) for row in rows or ()]
            if load.shared:
                loaded.by_key[load.name] = {row[0]: row for row in parsed}
            else:
                by_member = loaded.by_member.setdefault(load.name, defaultdict(list))
                for row in parsed:
                    by_member[row[0]].append(row)
        return record[0], loaded


def _unseen(place: str, sql_type: str) -> str:
    """A parameter that the planner does not look into.

    An array that it can count makes a plan for these very values look cheaper than the one that was kept, so that it
    would plan again for every request, which takes longer than the reading.
    """
    return f"(SELECT {place}::{sql_type})::{sql_type}"


@cache
def load_statement(loads: tuple[Load, ...]) -> LoadStatement:
    """One statement for several loads; composed once per combination."""
    arguments: list[Argument] = []
    columns = ["(SELECT coalesce(max(revision), 0) FROM policy_version)"]
    for load in loads:
        names = {"members": _unseen("$1", "uuid[]"), "now": _unseen("$2", "timestamptz")}
        for name, argument in load.arguments.items():
            if argument not in arguments:  # what several loads compute alike is sent once
                arguments.append(argument)
            names[name] = _unseen(f"${arguments.index(argument) + 3}", argument[0])
        columns.append(f"(SELECT array_agg(ROW(q.*)) FROM ({load.sql.format_map(names)}) q)")
    unused = "WHERE $1::uuid[] IS NOT NULL AND $2::timestamptz IS NOT NULL"
    return LoadStatement(f"SELECT {', '.join(columns)} {unused}", loads, tuple(work_out for _, work_out in arguments))


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """How the ledger's write function is called: SQL over its own parameters, of which $1 is the unit's instant."""

    sql: str
    arity: int


@cache
def _column_types(model: type[Model]) -> Mapping[str, str]:
    """The SQL type of each column; text for strings, since a cast to varchar(n) would cut silently."""
    types = {}
    for name, column in model._meta.fields_db_projection.items():
        field = model._meta.fields_map[name]
        types[column] = "text" if isinstance(field, CharField) else field.get_for_dialect("postgres", "SQL_TYPE")
    return types


def _rows_cte(name: str, rows: Rows, first: int) -> str:
    types = _column_types(rows.model)
    columns = ", ".join(f'"{column}"' for column in rows.columns)
    arrays = [
        f"${first + index}::{'text' if types[column] == 'JSONB' else types[column]}[]"
        for index, column in enumerate(rows.columns)
    ]
    values = ", ".join(
        _value(column, array) + ("::jsonb" if types[column] == "JSONB" else "")
        for column, array in zip(rows.columns, arrays, strict=True)
    )
    insert = (
        f'{name} AS (INSERT INTO "{rows.model._meta.db_table}" ({columns}) SELECT {values} '
        f"FROM unnest({', '.join(arrays)}) AS r({columns}) JOIN ok ON ok.member_id = r.member_id"
    )
    if rows.replaces:
        kept = [column for column in rows.columns if column not in rows.replaces]
        changes = ", ".join(f'"{column}" = excluded."{column}"' for column in kept)
        keys = ", ".join(f'"{column}"' for column in rows.replaces)
        insert += f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
    return insert + ")"


def _value(column: str, array: str) -> str:
    """A row's value of a column, of which only one was sent where it is the same in all rows."""
    if column == "member_id":
        return f'r."{column}"'
    return f'CASE WHEN cardinality({array}) = 1 THEN ({array})[1] ELSE r."{column}" END'


def _guard_ctes(guard: Guard, name: str, first: int, *, wait: bool) -> tuple[str, str]:
    claims = f"{name}_claims"
    sql = guard.sql.format(claims=claims, now="$1::timestamptz", skip="" if wait else " SKIP LOCKED")
    ctes = (
        f"{claims} AS MATERIALIZED (SELECT c.key, sum(c.amount)::bigint AS amount "
        f"FROM unnest(${first}::uuid[], ${first + 1}::uuid[], ${first + 2}::bigint[]) AS c(member_id, key, amount) "
        f"JOIN ok ON ok.member_id = c.member_id GROUP BY c.key ORDER BY c.key), "
        f"{name} AS ({sql})"
    )
    check = f"claims_hold('{guard.name}', (SELECT count(*) FROM {name}), (SELECT count(*) FROM {claims}))"
    return ctes, check


@cache
def write_statement(ledger: LedgerCall, rows: tuple[Rows, ...], guards: tuple[Guard, ...], wait: bool) -> str:
    """One statement that writes a batch; composed once per combination of models and guards.

    `ok` holds the members whose version was still the one loaded. The rows of the verbs join it, and the guards take
    their locks after it, so that the lock order (accounts ascending, scarce rows last) holds inside the statement.
    """
    ctes = [f"ok AS MATERIALIZED (SELECT w.member_id FROM {ledger.sql} AS w(member_id))"]
    place = ledger.arity + 1
    for index, each in enumerate(rows):
        ctes.append(_rows_cte(f"rows_{index}", each, place))
        place += len(each.columns)
    checks = []
    for index, guard in enumerate(guards):
        cte, check = _guard_ctes(guard, f"guard_{index}", place, wait=wait)
        ctes.append(cte)
        checks.append(check)
        place += 3
    where = f" WHERE {' AND '.join(checks)}" if checks else ""
    return f"WITH {', '.join(ctes)} SELECT ok.member_id FROM ok{where}"


def write_arguments(drafts: Iterable[Draft]) -> tuple[tuple[Rows, ...], tuple[Guard, ...], list[Any]]:
    """The verbs' own rows and claims of some drafts, as columns in the order of the statement."""
    values: dict[Rows, list[tuple[Any, ...]]] = {}
    claims: dict[Guard, list[tuple[UUID, UUID, int]]] = {}
    for draft in drafts:
        for rows, added in draft.rows.items():
            values.setdefault(rows, []).extend(_last_of_each_key(rows, added))
        for guard, key, amount in draft.claims:
            claims.setdefault(guard, []).append((draft.member_id, key, amount))
    ordered = tuple(sorted(values, key=lambda rows: (rows.model.__name__, rows.columns)))
    guards = tuple(sorted(claims, key=lambda guard: guard.name))
    arguments: list[Any] = []
    for rows in ordered:
        columns = zip(rows.columns, zip(*values[rows], strict=True), strict=True)
        arguments.extend(_sent(name, column) for name, column in columns)
    for guard in guards:
        arguments.extend(list(column) for column in zip(*claims[guard], strict=True))
    return ordered, guards, arguments


def _sent(name: str, column: tuple[Any, ...]) -> Sequence[Any]:
    """The values of a column; one of them where all are the same, except of the column that says how many there are."""
    return column[:1] if name != "member_id" and column.count(column[0]) == len(column) else column


def _last_of_each_key(rows: Rows, added: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A row that is replaced twice in a batch is written once, as it is in the end."""
    if not rows.replaces or len(added) == 1:
        return added
    places = [rows.columns.index(column) for column in rows.replaces]
    return list({tuple(row[place] for place in places): row for row in added}.values())
