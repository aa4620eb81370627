"""Evidence about data: inventory, encryption and backups."""
