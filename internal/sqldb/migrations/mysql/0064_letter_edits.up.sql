-- What `shake deadletters edit` changed: each edit of a letter, which is named by its place in the topic of dead letters.
-- The last one is what is sent again.
CREATE TABLE letter_edits (
    topic VARBINARY(255) NOT NULL,
    log_partition BIGINT NOT NULL,
    log_offset BIGINT NOT NULL,
    number BIGINT NOT NULL,
    edited_at BIGINT NOT NULL,
    who VARBINARY(255) NOT NULL,
    host VARBINARY(255) NOT NULL,
    why VARBINARY(1000) NOT NULL,
    was MEDIUMBLOB NOT NULL,
    becomes MEDIUMBLOB NOT NULL,
    PRIMARY KEY (topic, log_partition, log_offset, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
