"""Read model: every statement that was held against what was instructed, with what was found."""
