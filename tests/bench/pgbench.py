"""pgbench as a contender: what the database alone does with the same statements, without any GraphQL.

Reads are the statements that one request of ours sends, with the member drawn anew; writes are the functions that the
peers call, one transaction each.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from app.local.binaries import postgres_binaries
from app.local.children import LocalServerFailed
from tests.bench.contenders import Contender, NotHere
from tests.bench.load import Outcome
from tests.bench.operations import OPERATIONS, R1, R2, Operation
from tests.bench.programme import DRAW, Measured
from tests.bench.seeding import CALENDAR, MEMBER, SESSION, TODAY, id_of, id_sql
from tests.bench.statements import Statement, literal

SAMPLE = 1
"""The member whose request was recorded."""
RANDOM_MEMBER = "\\set i random(1, :members)\n"
EACH_MEMBER_ONCE = "\\set i 1 + permute(:place * :clients + :client_id, :members, :day)\n\\set place :place + 1\n"
AT = f"{literal(TODAY + timedelta(hours=1))} + :day::int * interval '1 day'"
ON = f"{literal(CALENDAR.business_date(TODAY))} + :day::int"
CHECK_IN = f"SELECT (bench.check_in_of({id_sql(MEMBER, ':i::bigint')}, {ON}, {AT})).points;\n"
BUY_TICKET = f"""SELECT (bench.buy_ticket_of({id_sql(MEMBER, ":i::bigint")}, '{DRAW}', gen_random_uuid()::text, {ON},
 {AT})).points;
""".replace("\n ", " ")


@dataclass
class Pgbench(Contender):
    """One run of the program per load; its client's own CPU time is nobody's."""

    operations: Sequence[Operation] = OPERATIONS
    reads: dict[str, list[Statement]] = field(default_factory=dict)
    day: int = 0

    def start(self, measured: Measured, folder: Path) -> None:
        self.measured = measured
        self.scripts = folder / "pgbench"
        self.scripts.mkdir(exist_ok=True)
        self.operations = [each for each in OPERATIONS if each.writes or self.reads.get(each.name)]
        try:
            self.program = postgres_binaries() / "pgbench"
        except LocalServerFailed as failure:
            raise NotHere(str(failure)) from None
        if not self.program.is_file():
            raise NotHere("PostgreSQL's installation has no pgbench")

    def end(self) -> None:
        shutil.rmtree(self.scripts, ignore_errors=True)

    def next_day(self) -> None:
        self.day += 1

    def script(self, operation: Operation) -> str:
        """What every client runs again and again."""
        if operation.writes:
            write = CHECK_IN if operation.once_a_day else BUY_TICKET
            return (EACH_MEMBER_ONCE if operation.once_a_day else RANDOM_MEMBER) + write
        return RANDOM_MEMBER + "".join(f"{replayed(each)};\n" for each in self.reads[operation.name])

    async def load(self, operation: Operation, *, clients: int, seconds: float, random: Random) -> Outcome:
        file = self.scripts / f"{operation.name}.sql"
        file.write_text(self.script(operation))
        for log in self.scripts.glob("log.*"):
            log.unlink()
        command = [str(self.program), "-n", "-M", "prepared", "-f", str(file), "-c", str(clients), "-j", "1"]
        command += ["-T", str(duration(seconds, clients)), "-l", "--log-prefix", str(self.scripts / "log")]
        for name, value in self._variables(clients).items():
            command += ["-D", f"{name}={value}"]
        process = await asyncio.create_subprocess_exec(
            *command,
            self.measured.settings.database_url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, faults = await process.communicate()
        return self._outcome(told.decode(), faults, process.returncode or 0)

    def _variables(self, clients: int) -> dict[str, int]:
        return {"members": self.measured.size.members, "clients": clients, "day": self.day, "place": 0}

    def _outcome(self, told: str, faults: bytes, code: int) -> Outcome:
        outcome = Outcome()
        for log in self.scripts.glob("log.*"):
            outcome.latencies_ns += [int(line.split()[2]) * 1_000 for line in log.read_text().splitlines()]
        rate = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
        if code or not rate:
            outcome.fail(faults)
        elif float(rate[1]):
            outcome.seconds = len(outcome.latencies_ns) / float(rate[1])
        return outcome


def duration(seconds: float, clients: int) -> int:
    """Whole seconds. The program connects within them, which takes a busy machine one for every 32 clients."""
    return max(1, round(seconds)) + clients // 32


def replayed(statement: Statement) -> str:
    """A recorded statement on one line, for a member drawn by pgbench: its parameters are written out."""
    member, session = literal(id_of(MEMBER, SAMPLE)), literal(id_of(SESSION, SAMPLE))
    sql = " ".join(statement.sql.split())

    typed = [f"{literal(value)}::{kind}" for value, kind in zip(statement.arguments, statement.types, strict=True)]
    sql = re.sub(r"\$(\d+)", lambda match: typed[int(match[1]) - 1], sql)
    for told, drawn in ((member, id_sql(MEMBER, ":i::bigint")), (session, id_sql(SESSION, ":i::bigint"))):
        sql = sql.replace(told, drawn)
    return sql


READS = (R1, R2)
"""Operations whose statements are recorded from ours."""
