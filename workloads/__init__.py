"""Workloads on the cluster: zones, platform, pipelines and model servers of each hospital."""
