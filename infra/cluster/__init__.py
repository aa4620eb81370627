"""Kubernetes cluster: EKS with node groups and add-ons, or an existing cluster by its kubeconfig."""
