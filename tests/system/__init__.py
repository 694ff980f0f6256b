"""A package: its desks end with the last of its tests, not with the whole session."""
