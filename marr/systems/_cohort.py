"""Several systems of one kind: animals, sessions, seeds, checkpoints."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from marr.errors import ContractError, check_known
from marr.systems._system import System

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from marr.systems._perturbations import Perturbation

__all__ = ["Cohort"]


class Cohort:
    """Several systems whose units are not shared.

    Parameters
    ----------
    members : sequence of System
        The systems; names must differ.
    name : str
        Name of the group.
    member_kind : str
        What the members are ("seeds", "animals", "sessions"): a finding says over
        what it generalizes, and eleven sessions of one animal are not eleven animals.
    """

    def __init__(
        self, members: Sequence[System], *, name: str, member_kind: str = "systems"
    ) -> None:
        members = tuple(members)
        if len(members) < 2:
            msg = (
                f"a Cohort needs at least two systems; got {len(members)}. "
                "Analyze a single system by itself."
            )
            raise ContractError(msg)
        for member in members:
            if not isinstance(member, System):
                msg = f"members must be systems; got {type(member).__name__}."
                raise ContractError(msg)
        twice = [n for n, k in Counter(m.name for m in members).items() if k > 1]
        if twice:
            msg = f"members must have different names; got {twice} more than once."
            raise ContractError(msg)
        self.members = members
        self.name = name
        self.member_kind = member_kind

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites that every member has."""
        shared = set(self.members[0].sites).intersection(
            *(m.sites for m in self.members)
        )
        return tuple(s for s in self.members[0].sites if s in shared)

    def select(self, trials: Any) -> Cohort:
        """Return the cohort with some trials of each member."""
        return self._with(m.select(trials) for m in self.members)

    def perturb(self, *perturbations: Perturbation) -> Cohort:
        """Return the cohort with each member perturbed."""
        return self._with(m.perturb(*perturbations) for m in self.members)

    def _with(self, members: Iterator[System]) -> Cohort:
        return Cohort(tuple(members), name=self.name, member_kind=self.member_kind)

    def __iter__(self) -> Iterator[System]:
        """Iterate over the members."""
        return iter(self.members)

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.members)

    def __getitem__(self, key: int | str) -> System:
        """Return a member by position or name."""
        if isinstance(key, str):
            named = {m.name: m for m in self.members}
            check_known("member", key, named, what=f"member of {self.name!r}")
            return named[key]
        return self.members[key]

    def __repr__(self) -> str:
        """Show name and size."""
        return f"<Cohort {self.name!r}: {len(self)} {self.member_kind}>"
