-- Notices that a company's push service has not taken yet: how often it failed, and when each is to be given next.
-- A row goes when the notice is taken, refused, shown on a page, or too old.
CREATE TABLE handovers (
    notice TEXT NOT NULL PRIMARY KEY,
    tries INTEGER NOT NULL,
    due_at INTEGER NOT NULL
);
