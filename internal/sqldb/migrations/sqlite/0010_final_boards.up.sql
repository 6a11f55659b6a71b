-- A run whose final board is frozen.
CREATE TABLE final_boards (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    players INTEGER NOT NULL,
    frozen_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, run)
) STRICT, WITHOUT ROWID;
