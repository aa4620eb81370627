"""The embedded environment: a real cluster, OpenBao and AWS emulator on one machine (`python -m local`)."""
