DROP TABLE booked_fundings;
