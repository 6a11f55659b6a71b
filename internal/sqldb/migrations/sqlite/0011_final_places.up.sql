-- The final board: place 1 has the most coins, and of equal coins whoever reached them first.
CREATE TABLE final_places (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    place INTEGER NOT NULL,
    user TEXT NOT NULL,
    coins INTEGER NOT NULL,
    reached_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, run, place)
) STRICT, WITHOUT ROWID;
