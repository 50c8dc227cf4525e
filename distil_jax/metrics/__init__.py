"""What a student gets right, as pure functions of arrays; each returns (sum, count) to add up."""

from distil_jax.metrics.predictions import accuracy, agreement

__all__ = ["accuracy", "agreement"]
