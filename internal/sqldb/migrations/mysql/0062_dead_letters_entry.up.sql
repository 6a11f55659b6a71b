-- What was put back: whoever reads the log reads this in the place of what nobody can read.
ALTER TABLE dead_letters ADD COLUMN entry MEDIUMBLOB NULL;
