"""Everything that can be killed is killed in the middle of a load: what was acknowledged is there."""
