"""Exports for other run-times, their quantisation, and how they are run: ONNX and StableHLO."""
