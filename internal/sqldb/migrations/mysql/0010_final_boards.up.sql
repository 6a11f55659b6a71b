-- A run whose final board is frozen.
CREATE TABLE final_boards (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    players BIGINT NOT NULL,
    frozen_at BIGINT NOT NULL,
    PRIMARY KEY (campaign, run)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
