"""Measurements, each against a named rival in the same run; results are stored in ``benchmarks/results``."""
