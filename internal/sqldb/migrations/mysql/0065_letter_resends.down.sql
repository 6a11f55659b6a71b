DROP TABLE letter_resends;
