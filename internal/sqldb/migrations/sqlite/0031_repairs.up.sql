-- What `shake reconcile --repair` changed: each step of a plan once, with what was there before and after, by whom, from
-- which host. A row stands in the transaction that makes the change, where that is in SQL.
CREATE TABLE repairs (
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    plan TEXT NOT NULL,
    number INTEGER NOT NULL,
    done_at INTEGER NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    kind TEXT NOT NULL,
    shard INTEGER NOT NULL,
    subject TEXT NOT NULL,
    was TEXT NOT NULL,
    becomes TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (campaign, run, plan, number)
);
