from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marr.zoo._decision_task import decision_batch


@pytest.fixture(scope="session")
def sessions() -> pd.DataFrame:
    """Trials of 40 generated sessions of 88 to 92 trials, never used in training."""
    contrast, target, block = decision_batch(40, 92, np.random.default_rng(10_000))
    table = pd.DataFrame(
        {
            "contrast": contrast.ravel(),
            "target": target.ravel(),
            "probability_left": block.ravel(),
            "session": np.repeat([f"s{i}" for i in range(40)], 92),
        }
    )
    return table.drop(index=range(88, 92))
