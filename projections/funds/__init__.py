"""Read model: every fund with its seats, and every allocation of one."""
