"""Read model: what was refused at the edge, and what was done to users and approvals, for search."""
