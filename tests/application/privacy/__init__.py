"""Personal data: what is sealed opens for its key at its place, and for nothing else."""
