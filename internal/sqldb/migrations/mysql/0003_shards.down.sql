DROP TABLE shards;
