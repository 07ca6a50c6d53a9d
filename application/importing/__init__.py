"""Brings outside money into the ledger: bank statements (MT940) and bulk files of transfers."""
