-- One row a settled round. The primary key is the round id, taken apart: the wall against paying twice,
-- and the index by player and number, in one.
-- Nearly every round is granted, so an insert leaves state and reason out unless it is held.
CREATE TABLE rounds (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    user VARBINARY(255) NOT NULL,
    number BIGINT NOT NULL,
    start_epoch BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    shakes BIGINT NOT NULL,
    elapsed_ms BIGINT NOT NULL,
    computed BIGINT NOT NULL,
    paid BIGINT NOT NULL,
    total BIGINT NOT NULL,
    chances_left BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    state VARBINARY(16) NOT NULL DEFAULT 'granted',
    reason VARBINARY(255) NOT NULL DEFAULT '',
    PRIMARY KEY (campaign, run, user, number, start_epoch)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
