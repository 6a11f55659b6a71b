-- One row a settled round. The primary key is the round id, taken apart: the wall against paying twice,
-- and the index by player and number, in one.
-- Nearly every round is granted, so an insert leaves state and reason out unless it is held.
CREATE TABLE rounds (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    user TEXT NOT NULL,
    number INTEGER NOT NULL,
    start_epoch INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    shakes INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    computed INTEGER NOT NULL,
    paid INTEGER NOT NULL,
    total INTEGER NOT NULL,
    chances_left INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'granted',
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (campaign, run, user, number, start_epoch)
) STRICT, WITHOUT ROWID;
