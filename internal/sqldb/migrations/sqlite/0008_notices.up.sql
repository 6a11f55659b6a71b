-- Messages to players. The id is made of round and kind, so the primary key is UNIQUE(round, kind).
-- receipted_at is 0 until the client has shown the notice.
CREATE TABLE notices (
    id TEXT NOT NULL,
    user TEXT NOT NULL,
    kind TEXT NOT NULL,
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    round TEXT NOT NULL,
    coins INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    params TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    receipted_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
