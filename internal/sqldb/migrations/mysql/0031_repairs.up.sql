-- What `shake reconcile --repair` changed: each step of a plan once, with what was there before and after, by whom, from
-- which host. A row stands in the transaction that makes the change, where that is in SQL.
CREATE TABLE repairs (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    plan VARBINARY(32) NOT NULL,
    number BIGINT NOT NULL,
    done_at BIGINT NOT NULL,
    who VARBINARY(255) NOT NULL,
    host VARBINARY(255) NOT NULL,
    kind VARBINARY(32) NOT NULL,
    shard BIGINT NOT NULL,
    subject VARBINARY(400) NOT NULL,
    was VARBINARY(1000) NOT NULL,
    becomes VARBINARY(1000) NOT NULL,
    outcome VARBINARY(16) NOT NULL,
    PRIMARY KEY (campaign, run, plan, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
