"""Components on this machine: Kubernetes control plane, node, OpenBao, certificates, and their supervisor."""
