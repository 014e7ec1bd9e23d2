"""How often a fault is repeated, and the random numbers of a test."""

from __future__ import annotations

import os
import random

__all__ = ["rounds", "seeded"]


def rounds(few: int = 3) -> int:
    """Return how often a fault is to be repeated: a few times, or as often as FAULT_ROUNDS says."""
    return int(os.environ.get("FAULT_ROUNDS", few))


def seeded() -> random.Random:
    """Return the random numbers of a test; SEED repeats those of an earlier run."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(10**6)))
    print(f"SEED={seed}")
    return random.Random(seed)
