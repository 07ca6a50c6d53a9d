"""Process managers: pure reactions to events, with their effects and checkpoints in one transaction."""
