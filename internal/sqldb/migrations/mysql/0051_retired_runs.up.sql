-- Runs whose keys in Redis are gone for good: they are answered from the ledger alone.
CREATE TABLE retired_runs (
  campaign VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run BIGINT NOT NULL,
  retired_at BIGINT NOT NULL,
  PRIMARY KEY (campaign, run)
) ENGINE = InnoDB;
