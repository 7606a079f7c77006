"""What must never happen to a log. These are faults, not refusals: no caller can do anything about them."""

from __future__ import annotations


class LogDamaged(RuntimeError):
    """A stored part of the tree is missing, or an entry is no longer the one that was logged."""


class LogForked(RuntimeError):
    """The tree does not extend a checkpoint that was signed before; signing another one would hide that."""
