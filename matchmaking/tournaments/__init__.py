"""Kinds of tournament: pure pairings, with what came of them as their only state."""
