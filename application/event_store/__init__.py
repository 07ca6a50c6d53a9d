"""The log of events in Postgres, on the contracts of the `eventsourcing` library."""
