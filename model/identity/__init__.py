"""The identity store: who a pseudonym is, sealed, apart from everything that the models are made from."""
