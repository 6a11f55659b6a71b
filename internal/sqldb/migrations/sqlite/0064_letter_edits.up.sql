-- What `shake deadletters edit` changed: each edit of a letter, which is named by its place in the topic of dead letters.
-- The last one is what is sent again.
CREATE TABLE letter_edits (
    topic TEXT NOT NULL,
    log_partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    edited_at INTEGER NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    why TEXT NOT NULL,
    was BLOB NOT NULL,
    becomes BLOB NOT NULL,
    PRIMARY KEY (topic, log_partition, log_offset, number)
) STRICT;
