"""Players of ours without weights: `agents.scripted.make("alpha_beta:4", spec)`. Importing this package is cheap."""

from agents.scripted.registry import ScriptedPlayer, ScriptedPlayerError, anchors, is_scripted, make, names_for

__all__ = ["ScriptedPlayer", "ScriptedPlayerError", "anchors", "is_scripted", "make", "names_for"]
