-- How far each reader of entries (ledger, notices) has come in each source: the last position that counts,
-- and the highest fence. Read FOR UPDATE by whoever applies a batch.
CREATE TABLE cursors (
    reader VARBINARY(16) NOT NULL,
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    PRIMARY KEY (reader, campaign, run, shard)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
