-- The coins of each source: pool_left and pool_issued as its last entry reported them, the rest as the
-- ledger itself has counted. The cap is granted <= received - sent.
CREATE TABLE shards (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    pool_left INTEGER NOT NULL,
    pool_issued INTEGER NOT NULL,
    funded INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    held INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    rounds INTEGER NOT NULL,
    PRIMARY KEY (campaign, run, shard)
) STRICT, WITHOUT ROWID;
