"""The recorder: puts what the gateway refused, and how much it logged, into the hospital's audit chain."""
