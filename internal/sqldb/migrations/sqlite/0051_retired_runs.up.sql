-- Runs whose keys in Redis are gone for good: they are answered from the ledger alone.
CREATE TABLE retired_runs (
  campaign TEXT NOT NULL,
  run INTEGER NOT NULL,
  retired_at INTEGER NOT NULL,
  PRIMARY KEY (campaign, run)
);
