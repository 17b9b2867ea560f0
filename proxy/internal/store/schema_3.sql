-- Schema 3: front ends that are answered without an instance, and what they show.

CREATE TABLE front_end (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    requester_id INTEGER REFERENCES instance (id) ON DELETE CASCADE,
    origin TEXT NOT NULL
);
CREATE INDEX front_end_origin ON front_end (origin);
CREATE INDEX front_end_requester ON front_end (requester_id);
