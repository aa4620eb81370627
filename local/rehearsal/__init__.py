"""Production applied from nothing on the emulators."""
