"""NetworkPolicy evaluation: selectors, ports, policies, and the connections that they allow between pods."""
