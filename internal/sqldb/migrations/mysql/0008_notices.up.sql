-- Messages to players. The id is made of round and kind, so the primary key is UNIQUE(round, kind).
-- receipted_at is 0 until the client has shown the notice.
CREATE TABLE notices (
    id VARBINARY(600) NOT NULL,
    user VARBINARY(255) NOT NULL,
    kind VARBINARY(16) NOT NULL,
    campaign VARBINARY(64) NOT NULL,
    run BIGINT NOT NULL,
    round VARBINARY(400) NOT NULL,
    coins BIGINT NOT NULL,
    title VARBINARY(400) NOT NULL,
    body VARBINARY(2000) NOT NULL,
    params VARBINARY(2000) NOT NULL,
    created_at BIGINT NOT NULL,
    receipted_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
