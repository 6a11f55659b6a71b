-- When an entry that had been passed over was put back, ms; 0: not yet. From then on it counts for its reader.
ALTER TABLE dead_letters ADD COLUMN back_at BIGINT NOT NULL DEFAULT 0;
