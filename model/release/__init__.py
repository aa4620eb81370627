"""Making and verifying a release: model card, contract, SBOM, signing, publishing."""
