-- Coins that go into a run's bank (or out of it), decided here first and then carried out once, by number.
CREATE TABLE fundings (
  campaign VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run BIGINT NOT NULL,
  number BIGINT NOT NULL,
  id VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
  amount BIGINT NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (campaign, run, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
