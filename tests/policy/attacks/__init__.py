"""Mutations of the program's stacks from an attacker's side, and the judgement of the policy pack on each."""
