"""Read model: every account as it is now, its totals, and as it was at any earlier moment."""
