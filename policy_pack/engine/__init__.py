"""The policy analyzer for the engine, and the evaluation of all controls on a stack."""
