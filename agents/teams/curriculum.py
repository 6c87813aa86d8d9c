"""A curriculum over team size: what small teams have learned is where larger ones begin.

A stage is the arena with fewer agents, padded entity by entity to the shape of the whole team (`arenas.padding`), so
that the networks, the mixer and the experience of one stage are those of the next. The agents share one network.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.teams.core import TeamMisfitError
from arenas.core import Arena
from arenas.padding import PaddedTeam, Resizable
from arenas.registry import NATIVE, make


class CurriculumConfig(BaseModel):
    """Which team sizes come before the arena's own, and when each has had its time.

    Attributes:
        sizes: agents of each stage, growing; the arena's own size comes last and is not among them.
        steps: environment steps of each stage.
        returns: the return of the greedy team, the sum over its agents in the stage's own arena, with which an
            evaluation ends the stage. With `steps` too, whichever comes first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: tuple[int, ...] = ()
    steps: tuple[int, ...] | None = None
    returns: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CurriculumConfig:
        if list(self.sizes) != sorted(set(self.sizes)) or any(size < 1 for size in self.sizes):
            raise ValueError(f"sizes have to grow, from 1 on, and {list(self.sizes)} do not")
        if self.sizes and self.steps is None and self.returns is None:
            raise ValueError("nothing says when a stage ends: give steps or returns, a number for each of the sizes")
        for name, ends in (("steps", self.steps), ("returns", self.returns)):
            if ends is not None and len(ends) != len(self.sizes):
                raise ValueError(f"{name} has {len(ends)} numbers for {len(self.sizes)} sizes")
        if any(count < 1 for count in self.steps or ()):
            raise ValueError(f"steps of a stage are at least 1, not {list(self.steps or ())}")
        return self

    def over(self, stage: int, *, steps: int, stage_return: float | None = None) -> bool:
        """Whether a stage (not the last one) has had its time.

        Args:
            stage: its number, from 0.
            steps: environment steps since it began.
            stage_return: of an evaluation in it; None where there was none just now.
        """
        long = self.steps is not None and steps >= self.steps[stage]
        good = self.returns is not None and stage_return is not None and stage_return >= self.returns[stage]
        return long or good


class Stage(BaseModel):
    """A stage that was begun: what manifests and `evaluations.json` tell.

    Attributes:
        agents: of its team.
        begun: environment steps that had been made before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents: int = Field(gt=0)
    begun: int = Field(ge=0)


def stages(arena: Arena, config: CurriculumConfig, algorithm: BaseModel) -> tuple[Arena, ...]:
    """The arena of every stage, all of one shape; the last is the arena itself.

    Args:
        arena: what is trained for.
        config: the sizes before its own.
        algorithm: the algorithm's settings: its agents have to share a network.

    Raises:
        TeamMisfitError: the arena has one team size only, or not those sizes, or the agents do not share.
    """
    if not config.sizes:
        return (arena,)
    spec = arena.spec
    if not isinstance(arena, Resizable):
        fitting = [name for name in NATIVE if isinstance(make(name), Resizable)]
        raise TeamMisfitError(f"{spec.name} has one team size: a curriculum fits {', '.join(fitting)}")
    if config.sizes[-1] >= spec.num_agents:
        raise TeamMisfitError(
            f"curriculum.sizes are below the team's own {spec.num_agents}, and {config.sizes[-1]} is not: the arena's "
            "own size comes last by itself"
        )
    if not dict(algorithm).get("sharing", True):
        raise TeamMisfitError("a curriculum grows a team whose agents share one network: set sharing = true")
    return (*(PaddedTeam(arena.resized(size), arena) for size in config.sizes), arena)
