-- Notices that wait for a receipt: when each was pushed first, how often again since, and when the next push is due.
-- A row goes with the receipt, or after the last push.
CREATE TABLE pushes (
    id VARBINARY(600) NOT NULL,
    user VARBINARY(255) NOT NULL,
    pushed_at BIGINT NOT NULL,
    again INT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
