"""Read model: loans with their schedules, what was repaid of them, and what is in arrears."""
