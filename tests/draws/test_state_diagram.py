"""The diagram of the documents is the table that the code asks."""

from __future__ import annotations

from gamification.draws.rules import STATES, TRANSITIONS
from tests.docs.pages import ROOT, blocks


def test_the_documented_steps_are_those_of_the_transition_table() -> None:
    """Every step with its verb, each once; what begins is a draft, and what leads nowhere is an end."""
    (diagram,) = blocks(ROOT / "docs" / "draws.md", "mermaid")
    first, *steps = diagram.text.splitlines()
    ends = [state for state in STATES if not any(start == state for start, _ in TRANSITIONS)]
    expected = ["[*] --> DRAFT", *(f"{start} --> {to}: {verb}" for (start, verb), to in TRANSITIONS.items())]
    assert first == "stateDiagram-v2"
    assert [step.strip() for step in steps] == [*expected, *(f"{state} --> [*]" for state in ends)]
