"""Who hears of what has become of a flow, and by which channel."""
