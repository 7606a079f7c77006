"""The ledger's words: every kind of entry that code posts is listed, every trace that it writes can be explained."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module

from gamification.core.errors import LOCALES
from gamification.points import explanations
from gamification.points.book import Book
from gamification.points.invariants import INVARIANTS
from gamification.points.models import KINDS, USUAL_KINDS, Entry
from schema.entry_filters import EntryKind, kind_label
from tests.house.sources import Source, sources

POSTING = {
    name for name, verb in inspect.getmembers(Book, inspect.isfunction) if "kind" in inspect.signature(verb).parameters
}
"""The verbs of a book that write an entry of a kind."""


def calls_of(names: set[str], file: Source) -> Iterator[ast.Call]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def posted_kinds() -> dict[str, str]:
    """Every kind that is written in a call of a posting verb, or is such a verb's default, and where."""
    found = {
        str(parameter.default): f"Book.{name}"
        for name, verb in inspect.getmembers(Book, inspect.isfunction)
        for parameter in inspect.signature(verb).parameters.values()
        if parameter.name == "kind" and parameter.default is not parameter.empty
    }
    for file in sources("gamification"):
        for call in calls_of(POSTING, file):
            named = [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
            placed = call.args[1:2] if isinstance(call.func, ast.Attribute) and call.func.attr == "post" else []
            for value in named + placed:
                if isinstance(value, ast.Constant):
                    found[str(value.value)] = f"{file.place}:{call.lineno}"
                else:
                    assert file.place.startswith("gamification/points/"), f"{file.place}:{call.lineno} hides its kind"
    return found


def test_every_kind_that_is_posted_is_listed() -> None:
    """`KINDS` names each kind that any slice posts, so that statements, filters and invariants know it."""
    found = posted_kinds()
    assert {"accrue", "take", "claw_back", "give_back", "grow", "post"} <= POSTING
    assert {"ACCRUAL", "LADDER", "EXPIRY", "ACTIVATION", "DONATION", "CLAW_BACK"} <= found.keys()
    assert {kind: place for kind, place in found.items() if kind not in KINDS} == {}


def test_a_kind_has_a_meaning_in_both_languages() -> None:
    """Each kind has its own short label in each language, and fits the column of the table."""
    for locale in LOCALES:
        labels = [kind_label(kind, locale) for kind in KINDS]
        assert len(set(labels)) == len(KINDS) and all(labels)
    assert max(map(len, KINDS)) <= Entry._meta.fields_map["kind"].max_length  # type: ignore[attr-defined]


def test_the_schemas_kinds_are_the_ledgers() -> None:
    """The enum that clients see has the kinds of the list, in its order."""
    assert [str(each.value) for each in EntryKind] == list(KINDS)


def test_the_invariant_knows_the_same_kinds() -> None:
    """The SQL that watches what each kind may move says what the list says, kind by kind."""
    sql = INVARIANTS["each entry is of a known kind and moves points as that kind may"]
    assert [f"('{name}', '{kind.moves}')" for name, kind in KINDS.items() if f"('{name}', '{kind.moves}')" in sql] == [
        f"('{name}', '{kind.moves}')" for name, kind in KINDS.items()
    ]
    assert sql.count("('") == len(KINDS)


def test_the_index_leaves_out_the_usual_kinds_alone() -> None:
    """The partial index covers every kind but the usual ones, as the statement's reads take for granted."""
    (index,) = [each for each in Entry._meta.indexes if getattr(each, "name", "") == "entry_of_unusual_kind"]
    assert index.where == f"kind NOT IN {USUAL_KINDS!r}"  # type: ignore[union-attr]
    assert set(USUAL_KINDS) < KINDS.keys()


def written_traces() -> Iterator[tuple[str, str, list[str]]]:
    """Every trace that the product writes out: where, its rule, and the names of its other figures."""
    for file in sources("gamification"):
        for function in ast.walk(file.tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Dict):
                        yield from traces_of(node, function, file)


def traces_of(
    node: ast.Dict, function: ast.FunctionDef | ast.AsyncFunctionDef, file: Source
) -> Iterator[tuple[str, str, list[str]]]:
    pairs = {
        key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
    }
    rule = pairs.pop("rule", None)
    if rule is None:
        return
    names, place = [str(name) for name in pairs], f"{file.place}:{node.lineno}"
    if isinstance(rule, ast.Constant):
        yield place, str(rule.value), names
        return
    if isinstance(rule, ast.Subscript) and isinstance(rule.value, ast.Name):
        yield from ((place, str(each), names) for each in getattr(import_module(file.module), rule.value.id).values())
        return
    assert isinstance(rule, ast.Name), f"{place} hides its rule"
    at = [argument.arg for argument in function.args.args].index(rule.id)
    for call in calls_of({function.name}, file):
        told = call.args[at]
        assert isinstance(told, ast.Constant), f"{file.place}:{call.lineno} hides its rule"
        yield f"{file.place}:{call.lineno}", str(told.value), names


def test_every_rule_that_writes_a_trace_has_a_sentence() -> None:
    """No rule falls back to a general text: each has its own in both languages, and none is there for nothing."""
    found = {rule: place for place, rule, _ in written_traces()}
    assert {"base_rate", "growth_rate", "ladder", "claw_back", "check_in", "donation"} <= found.keys()
    assert found.keys() == explanations.RULES.keys()
    for rule in explanations.RULES.values():
        assert len(set(rule.sentence)) == 2 and all(rule.sentence)


def test_every_figure_of_a_trace_has_a_name_and_a_place() -> None:
    """Each figure beside rule and policy is called something in both languages and stands in its rule's order."""
    for place, rule, names in written_traces():
        for name in set(names) - explanations.APART:
            assert name in explanations.FIELDS, f"{place}: {name}"
            assert name in explanations.RULES[rule].fields, f"{place}: {name}"
    assert all(len(set(texts)) == 2 for texts in explanations.FIELDS.values())


def test_every_kind_has_a_sentence_of_last_resort() -> None:
    """An entry without a rule is explained by its kind in both languages, by a sentence that needs no figures."""
    assert explanations.BY_KIND.keys() == KINDS.keys()
    for kind, texts in explanations.BY_KIND.items():
        assert "{" not in texts[-1][0] + texts[-1][1], kind
        for locale in LOCALES:
            assert explanations.explain(kind, "", {}, locale) == texts[-1][LOCALES.index(locale)]
