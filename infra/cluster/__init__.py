"""The Kubernetes cluster: EKS with nodes and add-ons, or a running cluster by its kubeconfig."""
