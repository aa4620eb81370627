"""Rehearsal of production: the prod stack applied from an empty state on the emulators."""
