"""Use cases: what the agent does with a file, written against the ports only."""
