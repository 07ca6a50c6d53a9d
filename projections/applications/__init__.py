"""Read model: credit applications with what has happened to them, and what each was decided on."""
