"""Export: the log as files for analysts, typed and by topic and month, which goes on where it was."""
