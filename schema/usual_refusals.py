"""Refusals of the core that mutations of any slice may name."""

from gamification.core import errors
from schema.refusals import Refusal


class NotFound(Refusal, of=errors.NotFound):
    pass


class InvalidInput(Refusal, of=errors.InvalidInput):
    pass


class IdempotencyConflict(Refusal, of=errors.IdempotencyConflict):
    pass
