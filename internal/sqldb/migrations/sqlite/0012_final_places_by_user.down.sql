DROP INDEX final_places_by_user;
