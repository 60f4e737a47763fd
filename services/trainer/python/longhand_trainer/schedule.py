"""The learning rate, a function of the step alone."""

import math

from .recipe import Cosine, Recipe


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of a round of `steps` steps."""
    schedule = recipe.schedule_
    at = recipe.start_step + step
    if isinstance(schedule, Cosine):
        total = schedule.total_steps or recipe.start_step + steps
        warmup = math.ceil(total * recipe.warmup_ratio)
        if at < warmup:
            return recipe.learning_rate_ * (at + 1) / warmup
        done = min(1.0, (at - warmup) / max(1, total - warmup))
        return recipe.learning_rate_ * 0.5 * (1 + math.cos(math.pi * done))
    rate = recipe.learning_rate_ * min(1.0, (at + 1) / max(1, schedule.warmup_steps))
    decay = math.ceil(steps * schedule.decay_ratio)
    return rate * min(1.0, (steps - step) / (decay + 1)) if decay else rate
