"""Looks a ledger over and explains what is the matter with it: nothing here changes anything."""
