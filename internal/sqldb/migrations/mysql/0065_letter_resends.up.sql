-- What `shake deadletters resend` sent: each sending of a letter, which of its edits (0: as it was), and what came of it.
-- successor is the letter that it was buried in anew.
CREATE TABLE letter_resends (
    topic VARBINARY(255) NOT NULL,
    log_partition BIGINT NOT NULL,
    log_offset BIGINT NOT NULL,
    number BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    who VARBINARY(255) NOT NULL,
    host VARBINARY(255) NOT NULL,
    edit BIGINT NOT NULL,
    outcome VARBINARY(16) NOT NULL,
    successor VARBINARY(300) NOT NULL,
    PRIMARY KEY (topic, log_partition, log_offset, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
