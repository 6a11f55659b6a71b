-- What each player owns: the sum of the entries of the account user:<user>, kept in the same transaction.
CREATE TABLE wallets (
    user VARBINARY(255) NOT NULL,
    balance BIGINT NOT NULL,
    PRIMARY KEY (user)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
