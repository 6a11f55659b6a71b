DROP TABLE final_boards;
