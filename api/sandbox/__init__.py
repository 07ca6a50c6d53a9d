"""A bank to try things with: it moves no money, and does every wrong thing that a bank may do."""
