DROP TABLE rebuild_partitions;
DROP TABLE rebuilds;
