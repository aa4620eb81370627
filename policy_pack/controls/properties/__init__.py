"""Properties that have described values: the tables, and the checks that compare each resource with them."""
