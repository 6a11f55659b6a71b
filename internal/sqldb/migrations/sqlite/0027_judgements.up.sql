-- What fair play found about rounds: one row a round, the first. reasons are joined by commas; variation and rate are
-- 0 where there were too few beats.
CREATE TABLE judgements (
    round TEXT NOT NULL PRIMARY KEY,
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    score REAL NOT NULL,
    reasons TEXT NOT NULL,
    shakes INTEGER NOT NULL,
    beats INTEGER NOT NULL,
    variation REAL NOT NULL,
    rate REAL NOT NULL,
    at INTEGER NOT NULL
);
