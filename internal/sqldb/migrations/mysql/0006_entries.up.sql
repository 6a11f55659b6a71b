-- The double-entry book. Each movement of coins is two rows with the same ref that sum to zero. Accounts
-- are treasury, run:<campaign>.<run> and user:<user>; every ref (a round's or a funding's id) begins with
-- campaign.run. This table grows fastest: its key is the order of an account's history, so it needs no
-- second index, and it has no column that ref tells as well.
CREATE TABLE entries (
    account VARBINARY(260) NOT NULL,
    booked_at BIGINT NOT NULL,
    ref VARBINARY(400) NOT NULL,
    kind VARBINARY(16) NOT NULL,
    coins BIGINT NOT NULL,
    PRIMARY KEY (account, booked_at, ref, kind)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
