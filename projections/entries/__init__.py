"""Read model: each account's statement lines, one for every debit and credit."""
