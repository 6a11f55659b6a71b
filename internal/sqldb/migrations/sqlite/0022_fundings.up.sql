-- Coins that go into a run's bank (or out of it), decided here first and then carried out once, by number.
CREATE TABLE fundings (
  campaign TEXT NOT NULL,
  run INTEGER NOT NULL,
  number INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  amount INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (campaign, run, number)
);
