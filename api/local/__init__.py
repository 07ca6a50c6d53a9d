"""What a machine that has nothing but Python runs by itself: Postgres, and a tree of processes."""
