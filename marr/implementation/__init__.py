"""What a system needs: analyses of the implementation level."""

from __future__ import annotations

from marr.implementation._ablate import ablate

__all__ = ["ablate"]
