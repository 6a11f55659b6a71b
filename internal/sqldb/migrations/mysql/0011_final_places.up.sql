-- The final board: place 1 has the most coins, and of equal coins whoever reached them first.
CREATE TABLE final_places (
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    place BIGINT NOT NULL,
    user VARBINARY(255) NOT NULL,
    coins BIGINT NOT NULL,
    reached_at BIGINT NOT NULL,
    PRIMARY KEY (campaign, run, place)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
