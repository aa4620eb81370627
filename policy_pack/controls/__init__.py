"""The controls' functions, one module a family; each module enters its own in `policy_pack.rules`."""
