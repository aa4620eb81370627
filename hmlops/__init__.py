"""The command for people, `hmlops`: the model package, the policy pack and the embedded environment as its groups."""
