-- The coins of each source: pool_left and pool_issued as its last entry reported them, the rest as the
-- ledger itself has counted. The cap is granted <= received - sent.
CREATE TABLE shards (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    pool_left BIGINT NOT NULL,
    pool_issued BIGINT NOT NULL,
    funded BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    held BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    rounds BIGINT NOT NULL,
    PRIMARY KEY (campaign, run, shard)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
