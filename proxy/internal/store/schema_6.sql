-- Schema 6: since when an instance that another one requested is no longer requested, zero for others.

ALTER TABLE instance ADD COLUMN unlinked_at REAL NOT NULL DEFAULT 0;
ALTER TABLE shared_instance ADD COLUMN unlinked_at REAL NOT NULL DEFAULT 0;
CREATE INDEX instance_unlinked ON instance (unlinked_at) WHERE unlinked_at > 0;
CREATE INDEX shared_unlinked ON shared_instance (unlinked_at) WHERE unlinked_at > 0;
