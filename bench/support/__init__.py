"""Shared code of the benchmarks: samples, baselines, tables and curves of figures."""
