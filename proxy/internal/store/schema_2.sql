-- Schema 2: requests that other masters serve, and what the master keeps about itself.

CREATE TABLE forwarded_request (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    master_url TEXT NOT NULL,
    UNIQUE (reference, master_url)
);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
