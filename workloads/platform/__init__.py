"""What all hospitals share: platform namespaces, charts and the gateway class."""
