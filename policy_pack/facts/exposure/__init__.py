"""Entry points: by what a client outside can reach the stack, and the protections in effect there."""
