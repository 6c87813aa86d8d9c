"""Speaker and listener: one knows where to go, the other can go there (mpe2's simple_speaker_listener_v4)."""

from __future__ import annotations

import torch
from torch import Tensor

from arenas.core import ArenaSpec, State, Turns
from arenas.games.particles import (
    ACCELERATION,
    MOVES,
    PUSH_DELAY,
    Bodies,
    ParticleArena,
    move,
    offsets,
    planes,
    scattered,
    whole_number,
)

LANDMARKS = 3
SPEAKER, LISTENER = 0, 1
DIM, BRIGHT = 0.15, 0.65  # a landmark's colour is bright in its own channel: red, green, blue
SILENT = -1


class SpeakerListener(ParticleArena):
    """One team of two unlike agents: the speaker sees the goal's colour and says one of three words, the listener hears
    it and walks among three landmarks.

    Actions: the speaker's are its words, 0 to 2 (what would come behind them is never legal); the listener's are
    0 stay, 1 left, 2 right, 3 down, 4 up.
    Observation [11]. The speaker's: the goal's colour (3), then zeros. The listener's: its velocity (2), the way to
    each landmark (6), the word that was said in the last step, one-hot (3), zeros at the start.
    State: see `ParticleArena`, where the listener is the only one that moves, and `goal` int64 [B], the landmark's
    number; `word` int64 [B], -1 before any was said. The speaker has no place: nothing depends on it.
    Rewards: both get minus the squared distance between the listener and the goal.
    """

    bodies = Bodies(radius=(0.075,), acceleration=(ACCELERATION,))

    def __init__(self, max_cycles: int = 25) -> None:
        sizes = (LANDMARKS, 2 + 2 * LANDMARKS + LANDMARKS)
        super().__init__(
            ArenaSpec(
                name="speaker_listener",
                agents=("speaker_0", "listener_0"),
                teams=((SPEAKER, LISTENER),),
                observation_shape=(max(sizes),),
                num_actions=len(MOVES),
                turns=Turns.SIMULTANEOUS,
                max_steps=whole_number("max_cycles", max_cycles),
                reset_uniforms=2 + 2 * LANDMARKS + 1,
                truncates=True,
                reward_delay=PUSH_DELAY,
                common_reward=True,
                action_counts=(LANDMARKS, len(MOVES)),
                observation_sizes=sizes,
                state_shape=(sum(sizes),),
                description="Speaker and listener: one knows, the other goes (mpe2's simple_speaker_listener_v4)",
            )
        )

    def _start(self, uniforms: Tensor) -> State:
        position = scattered(uniforms, 0, 1)
        goal = (uniforms[:, -1] * LANDMARKS).to(torch.int64)
        return {
            "position": position,
            "velocity": torch.zeros_like(position),
            "landmark": scattered(uniforms, 2, LANDMARKS),
            "goal": goal,
            "word": torch.full_like(goal, SILENT),
        }

    def _advance(self, state: State, actions: Tensor) -> State:
        position, velocity = move(self.bodies, state["position"], state["velocity"], actions[:, LISTENER:])
        return {"position": position, "velocity": velocity, "word": actions[:, SPEAKER]}

    def _views(self, state: State) -> list[Tensor]:
        place = planes(state["position"])
        channels = torch.arange(LANDMARKS, device=place.device)[:, None]
        colour = DIM + (BRIGHT - DIM) * (state["goal"] == channels).to(place.dtype)
        word = (state["word"] == channels).to(place.dtype)
        ways = offsets(place, planes(state["landmark"])).flatten(1, 2)
        return [colour[None], torch.cat((planes(state["velocity"]), ways, word[None]), dim=1)]

    def _rewards(self, state: State) -> Tensor:
        x, y = offsets(planes(state["position"]), planes(state["landmark"]))[0].unbind(1)
        channels = torch.arange(LANDMARKS, device=x.device)[:, None]
        squared = torch.where(state["goal"] == channels, x * x + y * y, 0.0).sum(dim=0)  # zeros but for one
        return -squared.expand(2, -1)

    def render(self, state: State, index: int) -> str:
        said = int(state["word"][index])
        goal = int(state["goal"][index])
        return f"goal {goal}, word {'none yet' if said == SILENT else said}\n{super().render(state, index)}"
