-- The double-entry book. Each movement of coins is two rows with the same ref that sum to zero. Accounts
-- are treasury, run:<campaign>.<run> and user:<user>; every ref (a round's or a funding's id) begins with
-- campaign.run. This table grows fastest: its key is the order of an account's history, so it needs no
-- second index, and it has no column that ref tells as well.
CREATE TABLE entries (
    account TEXT NOT NULL,
    booked_at INTEGER NOT NULL,
    ref TEXT NOT NULL,
    kind TEXT NOT NULL,
    coins INTEGER NOT NULL,
    PRIMARY KEY (account, booked_at, ref, kind)
) STRICT, WITHOUT ROWID;
