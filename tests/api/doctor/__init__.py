"""Each check is made to find its trouble, and a ledger in good order has none."""
