"""The immutable, signed folder that serves what was evaluated, byte for byte."""
