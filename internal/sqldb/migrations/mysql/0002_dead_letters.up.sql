-- Entries that nobody could read: a reader passed over this position, for this reason.
CREATE TABLE dead_letters (
    reader VARBINARY(16) NOT NULL,
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    reason VARBINARY(1000) NOT NULL,
    skipped_at BIGINT NOT NULL,
    PRIMARY KEY (reader, campaign, run, shard, epoch, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
