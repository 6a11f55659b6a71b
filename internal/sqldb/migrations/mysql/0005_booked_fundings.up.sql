-- One row a funding of a bank: the wall against booking one twice.
CREATE TABLE booked_fundings (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    number BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    booked_at BIGINT NOT NULL,
    PRIMARY KEY (campaign, run, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
