-- Notices that wait for a receipt: when each was pushed first, how often again since, and when the next push is due.
-- A row goes with the receipt, or after the last push.
CREATE TABLE pushes (
    id TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    pushed_at INTEGER NOT NULL,
    again INTEGER NOT NULL,
    due_at INTEGER NOT NULL
);
