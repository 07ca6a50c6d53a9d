"""How people and programs prove who they are: passwords, tokens, sessions, API keys."""
