"""The verifiers and their golden vectors as files: short, on their own, and saying the same at a command line."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import re
from pathlib import Path
from random import Random

import pytest
from py_mini_racer import MiniRacer

from tests.verifiers import vectors
from tests.verifiers.model import CHAIN, SIGNATURE, Draw, some_uuid
from tests.verifiers.running import PYTHON, SCRIPT, VECTORS, Kind, printed, python_verdicts, reported

ALLOWED = {"collections", "datetime", "hashlib", "hmac", "itertools", "json", "re", "sys"}
HOLDS = {
    "draw-1": ["holds: 7 tickets, 4 winners recomputed"],
    "draw-2-none": ["holds: 7 tickets, 4 winners recomputed"],
    "draw-2-drand": [
        "holds: 12 tickets, 5 winners recomputed",
        f"compare with any drand relay: chain {CHAIN['chain']}, round 1000, signature {SIGNATURE}",
        "its BLS signature is not checked here",
    ],
    "draw-2-figure": [
        "holds: 5 tickets, 2 winners recomputed",
        "compare with its source: 三千零八十二点二四 (https://www.sse.com.cn/market/2023-08-24)",
    ],
    "plays": ["holds: 20 plays recomputed"],
    "plays-waiting": ["holds: 12 plays recomputed, 8 await their seed"],
}


def kind_of(vector: str) -> Kind:
    return "draw" if vector.startswith("draw") else "play"


@pytest.mark.parametrize("vector", vectors.MADE)
def test_golden_vectors_are_as_the_algorithm_makes_them(vector: str) -> None:
    """Each file is what a plain model makes of fixed seeds, byte for byte: a changed bit would be a new algorithm."""
    assert (VECTORS / f"{vector}.json").read_text("utf-8") == vectors.written(vectors.MADE[vector]())
    assert {path.stem for path in VECTORS.iterdir()} == set(vectors.MADE)


@pytest.mark.parametrize("vector", vectors.MADE)
def test_both_languages_print_the_same(machine: MiniRacer, vector: str, tmp_path: Path) -> None:
    """At a command line they say what was recomputed, what is still to be compared, or what does not hold."""
    path = VECTORS / f"{vector}.json"
    assert printed(kind_of(vector), path) == reported(machine, path) == (0, HOLDS[vector])
    document = json.loads(path.read_text("utf-8"))
    document["draw"] = str(vectors.MEMBER)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document), "utf-8")
    said = printed(kind_of(vector), broken)
    assert said == reported(machine, broken) and said[0] == 1
    assert any("of another draw" in line or "something else" in line for line in said[1])


@pytest.mark.parametrize("path", PYTHON.values(), ids=lambda path: path.name)
def test_a_python_verifier_is_short_and_imports_the_standard_library_only(path: Path) -> None:
    """It can be read in a few minutes, and needs nothing that Python does not bring."""
    tree = ast.parse(path.read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert names <= ALLOWED
    assert len([line for line in path.read_text("utf-8").splitlines() if line.strip()]) <= 170


def test_the_javascript_needs_nothing_but_the_language() -> None:
    """No imports, nothing of Node or of browsers but in the guarded tail, no big integers, and nothing after ES2017."""
    text = re.sub(r"/\*.*?\*/", "", SCRIPT.read_text("utf-8"), flags=re.DOTALL)
    body, _, tail = text.rpartition("})()")
    outside = r"\b(require|import|module|process|console|window|globalThis|crypto|TextEncoder|BigInt|setTimeout)\b"
    assert re.findall(outside, body) == []
    later = r"\?\?|\?\.|\*\*=|\bmatchAll\b|\.flat\(|\.at\(|\.\.\.[a-z]+ ?[,}]|\d_\d|\bfromEntries\b|catch \{"
    assert re.findall(later, body) == []
    assert tail.count("require") == 4 and "require('fs')" not in tail


def test_hashes_are_those_of_the_standards(machine: MiniRacer) -> None:
    """SHA-256 and HMAC agree with another implementation for every length around one and two blocks, and for text."""
    inner = "return { verifyDraw, verifyPlay, report }"
    bare = MiniRacer()
    bare.eval(SCRIPT.read_text("utf-8").replace(inner, "return { sha256, hexOf, utf8, hmac, bytesOf }"))
    for text in [*("x" * length for length in range(140)), "é", "三千", "🎲", "a\u07ff\u0800\uffff"]:
        said = json.dumps(text)
        assert bare.eval(f"jifen.hexOf(jifen.sha256(jifen.utf8({said})))") == hashlib.sha256(text.encode()).hexdigest()
        key = hashlib.sha256(text.encode())
        mac = bare.eval(f"jifen.hexOf(jifen.hmac(jifen.bytesOf('{key.hexdigest()}'))(jifen.utf8({said})))")
        assert mac == hmac.digest(key.digest(), text.encode(), "sha256").hex()


def test_a_hundred_thousand_tickets_are_checked_while_one_waits(machine: MiniRacer) -> None:
    """Both accept a list of that length; what is long is the list, not the search for its winners."""
    random = Random(5)
    tickets = [(some_uuid(random), random.randbytes(16).hex()) for _ in range(100_000)]
    document = Draw(some_uuid(random), random.randbytes(32), tickets, []).document()
    assert python_verdicts("draw", [document]) == [[]]
    machine.eval(f"var long = JSON.parse({json.dumps(json.dumps(document))})")
    assert machine.eval("JSON.stringify(jifen.verifyDraw(long).problems)", timeout_sec=30) == "[]"
