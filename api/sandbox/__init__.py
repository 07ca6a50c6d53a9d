"""Services that stand in for those of others, and do every wrong thing that those may do."""
