"""The parts that run on this machine: control plane, node, OpenBao, certificates, and their supervisor."""
