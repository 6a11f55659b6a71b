-- Entries that nobody could read: a reader passed over this position, for this reason.
CREATE TABLE dead_letters (
    reader TEXT NOT NULL,
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    skipped_at INTEGER NOT NULL,
    PRIMARY KEY (reader, campaign, run, shard, epoch, seq)
) STRICT, WITHOUT ROWID;
