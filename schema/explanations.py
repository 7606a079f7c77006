"""An entry explained step by step, in the caller's language."""

import strawberry

from gamification.points import explanations


@strawberry.type(description="The version of a programme policy that decided an entry.")
class DecidingPolicy:
    kind: str = strawberry.field(description="Which policy, such as earning or checkins.")
    version: int = strawberry.field(description="Its version; versions never change.")


@strawberry.type(description="One figure on the way to an entry's points.")
class ExplanationStep:
    label: str = strawberry.field(description="What the figure is.")
    value: str = strawberry.field(description="The figure as people read it: money in yuan, rates in per cent.")


@strawberry.type(description="How an entry's figure came about, in the caller's language.")
class EntryExplanation:
    sentence: str = strawberry.field(description="In one sentence.")
    rule: str | None = strawberry.field(
        description="The rule that made it, as a stable name; null where time alone did."
    )
    policy: DecidingPolicy | None = strawberry.field(description="The policy version that decided it; null for none.")
    steps: list[ExplanationStep] = strawberry.field(
        description="Base, rate, multipliers, cap, rounding and result, in the order of the calculation; every figure "
        f"of the trace, at most {explanations.STEPS_MAX}."
    )

    @classmethod
    def of(cls, found: explanations.Explained) -> "EntryExplanation":
        version = found.policy_version
        policy = DecidingPolicy(kind=found.policy_kind or "", version=version) if version is not None else None
        steps = [ExplanationStep(label=each.label, value=each.value) for each in found.steps]
        return cls(sentence=found.sentence, rule=found.rule, policy=policy, steps=steps)
