-- What fair play found about rounds: one row a round, the first. reasons are joined by commas; variation and rate are
-- 0 where there were too few beats.
CREATE TABLE judgements (
    round VARBINARY(400) NOT NULL,
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    user VARBINARY(255) NOT NULL,
    device VARBINARY(64) NOT NULL,
    score DOUBLE NOT NULL,
    reasons VARBINARY(255) NOT NULL,
    shakes BIGINT NOT NULL,
    beats BIGINT NOT NULL,
    variation DOUBLE NOT NULL,
    rate DOUBLE NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (round)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
