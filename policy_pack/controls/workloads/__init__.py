"""Controls of workloads: hardened pods, machines, models and the supply chain."""
