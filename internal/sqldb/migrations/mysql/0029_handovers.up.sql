-- Notices that a company's push service has not taken yet: how often it failed, and when each is to be given next.
-- A row goes when the notice is taken, refused, shown on a page, or too old.
CREATE TABLE handovers (
    notice VARBINARY(600) NOT NULL,
    tries INT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (notice)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
