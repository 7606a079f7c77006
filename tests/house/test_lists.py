"""Nothing is discovered, so the explicit lists have to be complete: jobs, invariants, refusals, events."""

from __future__ import annotations

import inspect
import string
from dataclasses import fields, is_dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from gamification import invariants
from gamification.core.errors import LOCALES, Refusal
from gamification.jobs import REGISTRY
from tests.house.sources import slices, sources


def modules_of(name: str) -> list[ModuleType]:
    """The modules of this file name of all slices, imported."""
    return [import_module(file.module) for file in slices(name)]


def test_every_slices_jobs_are_gathered() -> None:
    """What a slice's `jobs.py` declares is in the registry that worker and relay run by."""
    found = [module for module in modules_of("jobs.py") if module.__name__ != "gamification.core.jobs"]
    assert len(found) >= 4
    for module in found:
        assert [job for job in module.JOBS if REGISTRY.jobs.get(job.name) is not job] == []
        assert [on for on in module.ON if on.job not in REGISTRY.listeners.get(on.event, ())] == []
        assert [cron for cron in module.CRON if cron not in REGISTRY.crons] == []


def test_jobs_are_named_after_their_slice() -> None:
    """`noun.verb`, where the noun is the folder in which the handler stands."""
    for job in REGISTRY.jobs.values():
        place = job.handler.__module__.split(".")
        noun, verb = job.name.split(".")
        assert noun == (place[1] if place[1] != "core" else noun) and verb.replace("_", "").isalpha(), job.name


def test_every_job_is_called_for() -> None:
    """Each job has a timer, an event it listens to, or a verb that schedules it by name."""
    called = {cron.job for cron in REGISTRY.crons} | {name for names in REGISTRY.listeners.values() for name in names}
    written = "\n".join(file.text for file in sources("gamification") if not file.place.endswith("jobs.py"))
    declared = "\n".join(file.text for file in slices("jobs.py"))
    scheduled = {name for name in REGISTRY.jobs if f'"{name}"' in written or declared.count(f'"{name}"') > 1}
    assert REGISTRY.jobs.keys() - called - scheduled == set()


def test_every_slices_invariants_are_checked() -> None:
    """What a slice's `invariants.py` states is part of what holds for the product, under the slice's name."""
    found = modules_of("invariants.py")
    assert len(found) >= 6
    for module in found:
        own = module.INVARIANTS
        assert own, module.__name__
        gathered = {sql: name for name, sql in invariants.INVARIANTS.items()}
        assert [name for name, sql in own.items() if sql not in gathered] == [], module.__name__
        assert len(gathered) == len(invariants.INVARIANTS)


def test_every_slice_with_tables_states_its_invariants() -> None:
    """Who writes rows says what must hold of them; what audits found is no part of the books that they audit."""
    written = {file.path.parent.name for file in slices("models.py")} - {"core", "audits"}
    assert {file.path.parent.name for file in slices("invariants.py")} == written


def refusals() -> list[type[Refusal]]:
    """Every refusal of the product that can be raised: not the classes that gather others, nor those of tests."""
    for file in sources("gamification"):
        import_module(file.module)
    ours = [each for each in Refusal.by_code.values() if each.__module__.startswith("gamification.")]
    return [each for each in ours if is_dataclass(each) or not each.__subclasses__()]


def test_every_refusal_speaks_both_languages_with_numbers_that_it_has() -> None:
    """A message in each language, not the same twice, whose placeholders are fields of the refusal."""
    found = refusals()
    assert len(found) >= 20
    for each in found:
        assert is_dataclass(each) and each.__doc__ and not each.__doc__.startswith(f"{each.__name__}("), each.code
        assert set(each.messages) == set(LOCALES), each.code
        assert len(set(each.messages.values())) == len(LOCALES), each.code
        for locale, text in each.messages.items():
            used = {
                name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name is not None
            }
            assert used <= set(each.field_names()), (each.code, locale)


def test_every_refusal_stands_in_a_file_of_refusals() -> None:
    """A slice's expected answers of no are read in one place, `errors.py`; the core's beside what refuses."""
    elsewhere = [each.code for each in refusals() if not each.__module__.endswith(".errors")]
    assert [code for code in elsewhere if not Refusal.by_code[code].__module__.startswith("gamification.core.")] == []


def events() -> dict[str, Any]:
    """Every event of the product by its name."""
    found: set[Any] = {
        each for module in modules_of("events.py") for _, each in inspect.getmembers(module, inspect.isclass)
    }
    return {each.name: each for each in found if each.__module__.endswith(".events")}


def test_every_event_listened_to_exists() -> None:
    """No job waits for an event that nobody emits, and takes no argument that the event does not carry."""
    known = events()
    assert known and REGISTRY.listeners.keys() <= known.keys()
    for event, listeners in REGISTRY.listeners.items():
        carried = {field.name for field in fields(known[event])}
        for job in listeners:
            _, *taken = inspect.signature(REGISTRY.jobs[job].handler).parameters
            assert set(taken) == carried, (event, job)


def test_events_are_facts_in_the_past_tense_of_their_slice() -> None:
    """`DrawSettled` is `draw.settled`: the class says the same as the name that is written to the outbox."""
    for name, each in events().items():
        noun, verb = name.split(".")
        assert each.__name__ == noun.title() + verb.title().replace("_", ""), name


def test_every_event_is_emitted() -> None:
    """A fact that nothing ever tells is no fact."""
    written = "\n".join(file.text for file in sources("gamification") if file.path.name != "events.py")
    assert [name for name, each in events().items() if f"{each.__name__}(" not in written] == []
