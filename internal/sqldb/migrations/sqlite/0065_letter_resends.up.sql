-- What `shake deadletters resend` sent: each sending of a letter, which of its edits (0: as it was), and what came of it.
-- successor is the letter that it was buried in anew.
CREATE TABLE letter_resends (
    topic TEXT NOT NULL,
    log_partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    edit INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    successor TEXT NOT NULL,
    PRIMARY KEY (topic, log_partition, log_offset, number)
) STRICT;
