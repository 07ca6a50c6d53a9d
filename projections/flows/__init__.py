"""Read model: money that takes days: investments, deposits and withdrawals, with their steps and legs."""
