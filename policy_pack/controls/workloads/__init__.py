"""Workload controls: pods, EC2 instances, models and the supply chain."""
