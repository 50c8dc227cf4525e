"""Kernels for accelerators, their plain references, and the random bits that both share."""
