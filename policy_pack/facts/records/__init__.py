"""Records of events: what reaches the trail, which alarm reaches a person, and how long a record is kept."""
