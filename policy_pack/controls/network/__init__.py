"""Network controls: segmentation, zone flows and transmission."""
