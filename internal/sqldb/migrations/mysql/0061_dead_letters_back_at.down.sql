ALTER TABLE dead_letters DROP COLUMN back_at;
