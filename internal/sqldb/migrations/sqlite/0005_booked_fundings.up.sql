-- One row a funding of a bank: the wall against booking one twice.
CREATE TABLE booked_fundings (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    booked_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, run, number)
) STRICT, WITHOUT ROWID;
