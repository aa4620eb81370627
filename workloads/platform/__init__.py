"""Platform that hospitals share: namespaces, Helm charts and the gateway class."""
