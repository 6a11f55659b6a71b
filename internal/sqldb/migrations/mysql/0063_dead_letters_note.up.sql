-- Where what was put back came from: the letter, who sent it again, and whether somebody had edited it.
ALTER TABLE dead_letters ADD COLUMN note VARBINARY(600) NOT NULL DEFAULT '';
