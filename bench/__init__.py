"""What the project promises in figures: each module measures one thing beside its peer, in one run."""
