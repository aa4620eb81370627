"""The pack as the engine calls it, and the evaluation of all controls over a stack."""
