DROP TABLE letter_edits;
