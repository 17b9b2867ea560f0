-- Schema 5: partitions that are kept though they are no longer listed, and addresses
-- with a route of their own.

ALTER TABLE partition ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE address ADD COLUMN gateway TEXT NOT NULL DEFAULT '';
ALTER TABLE address ADD COLUMN network TEXT NOT NULL DEFAULT '';
