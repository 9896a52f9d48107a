"""Measurements, each against a named rival in the same run; results are kept in ``benchmarks/results``."""
