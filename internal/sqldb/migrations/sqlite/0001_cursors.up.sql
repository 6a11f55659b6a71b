-- How far each reader of entries (ledger, notices) has come in each source: the last position that counts,
-- and the highest fence. Read FOR UPDATE by whoever applies a batch.
CREATE TABLE cursors (
    reader TEXT NOT NULL,
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    PRIMARY KEY (reader, campaign, run, shard)
) STRICT, WITHOUT ROWID;
