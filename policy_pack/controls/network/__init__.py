"""Controls of the network: segmentation, zone flows and transmission."""
