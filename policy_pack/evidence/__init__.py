"""The evidence of a stack: what it holds, who can reach it and which controls keep it, from state and cluster."""
