"""Progress of the demo on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Steps"]


class Steps:
    """Count steps and say what is being done; a call starts the next step."""

    def __init__(self, total: int, *, shown: bool) -> None:
        from tqdm import tqdm

        self._left = total
        self._bar = tqdm(
            total=total,
            disable=not shown,
            bar_format="{l_bar}{bar:20}| {n_fmt}/{total_fmt} [{elapsed}]{postfix}",
        )
        self._started = False

    def __call__(self, what: str) -> None:
        """Finish the step before and name the next."""
        if self._started:
            self._bar.update(1)
            self._left -= 1
        self._started = True
        self._bar.set_postfix_str(what)

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bar; fill it if all went well."""
        if kind is None:
            self._bar.update(self._left)
        self._bar.close()
