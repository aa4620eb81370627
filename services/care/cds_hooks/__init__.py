"""CDS Hooks 2.0: the EHR's tokens, its hook, the cards, and feedback on them."""
