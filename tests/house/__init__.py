"""What holds for the house as a whole: stored names, and who may import whom."""
