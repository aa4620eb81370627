"""Each hospital's first run: data, Jobs, release and score, and what it serves."""
