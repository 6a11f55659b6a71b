-- What each player owns: the sum of the entries of the account user:<user>, kept in the same transaction.
CREATE TABLE wallets (
    user TEXT NOT NULL,
    balance INTEGER NOT NULL,
    PRIMARY KEY (user)
) STRICT, WITHOUT ROWID;
