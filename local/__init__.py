"""Embedded environment: Kubernetes cluster, OpenBao and AWS emulator on one machine (`python -m local`)."""
