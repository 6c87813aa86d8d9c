"""Opponent rules: whom a learner plays next."""

from matchmaking.rules.core import BaseRule, Choice, OpponentRule
from matchmaking.rules.registry import RuleError, make, names

__all__ = ["BaseRule", "Choice", "OpponentRule", "RuleError", "make", "names"]
