-- Schema 1 of the stand-alone master. Times are seconds since 1970.

CREATE TABLE computer (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL DEFAULT '',
    netmask TEXT NOT NULL DEFAULT '',
    formatted INTEGER NOT NULL DEFAULT 0,
    sequence INTEGER NOT NULL DEFAULT 0,
    status_text TEXT NOT NULL DEFAULT '',
    status_state TEXT NOT NULL DEFAULT '',
    status_reporter TEXT NOT NULL DEFAULT '',
    status_at REAL NOT NULL DEFAULT 0,
    status_since REAL NOT NULL DEFAULT 0,
    bang_text TEXT NOT NULL DEFAULT '',
    bang_at REAL NOT NULL DEFAULT 0
);

CREATE TABLE software (
    id INTEGER PRIMARY KEY,
    computer_id INTEGER NOT NULL REFERENCES computer (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    status_text TEXT NOT NULL DEFAULT '',
    status_state TEXT NOT NULL DEFAULT '',
    status_reporter TEXT NOT NULL DEFAULT '',
    status_at REAL NOT NULL DEFAULT 0,
    status_since REAL NOT NULL DEFAULT 0,
    error_text TEXT NOT NULL DEFAULT '',
    error_at REAL NOT NULL DEFAULT 0,
    UNIQUE (computer_id, url)
);

CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    computer_id INTEGER NOT NULL REFERENCES computer (id) ON DELETE CASCADE,
    reference TEXT NOT NULL,
    busy INTEGER NOT NULL DEFAULT 0,
    timestamp REAL NOT NULL DEFAULT 0,
    UNIQUE (computer_id, reference)
);
CREATE INDEX partition_free ON partition (computer_id, id) WHERE busy = 0;
CREATE INDEX partition_order ON partition (computer_id, id);

CREATE TABLE address (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partition (id) ON DELETE CASCADE,
    interface TEXT NOT NULL,
    address TEXT NOT NULL,
    netmask TEXT NOT NULL
);
CREATE INDEX address_partition ON address (partition_id, id);

CREATE TABLE instance (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL UNIQUE REFERENCES partition (id) ON DELETE CASCADE,
    computer_id INTEGER NOT NULL REFERENCES computer (id) ON DELETE CASCADE,
    title TEXT NOT NULL DEFAULT '',
    tree TEXT NOT NULL DEFAULT '',
    requester_id INTEGER REFERENCES instance (id) ON DELETE SET NULL,
    software_release TEXT NOT NULL,
    software_type TEXT NOT NULL,
    state TEXT NOT NULL,
    parameters TEXT NOT NULL DEFAULT '',
    connection TEXT NOT NULL DEFAULT '',
    filter TEXT NOT NULL DEFAULT '',
    status_text TEXT NOT NULL DEFAULT '',
    status_state TEXT NOT NULL DEFAULT '',
    status_reporter TEXT NOT NULL DEFAULT '',
    status_at REAL NOT NULL DEFAULT 0,
    status_since REAL NOT NULL DEFAULT 0,
    error_text TEXT NOT NULL DEFAULT '',
    error_at REAL NOT NULL DEFAULT 0,
    bang_text TEXT NOT NULL DEFAULT '',
    bang_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX instance_title ON instance (title, tree);
CREATE INDEX instance_tree ON instance (tree);
CREATE INDEX instance_requester ON instance (requester_id);
CREATE INDEX instance_host ON instance (computer_id, software_release, partition_id);

CREATE TABLE shared_instance (
    id INTEGER PRIMARY KEY,
    computer_id INTEGER NOT NULL REFERENCES computer (id) ON DELETE CASCADE,
    reference TEXT NOT NULL,
    tree TEXT NOT NULL DEFAULT '',
    host_id INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    requester_id INTEGER REFERENCES instance (id) ON DELETE SET NULL,
    state TEXT NOT NULL,
    listed INTEGER NOT NULL DEFAULT 0,
    position INTEGER NOT NULL DEFAULT 0,
    software_type TEXT NOT NULL DEFAULT '',
    entry TEXT NOT NULL DEFAULT '',
    connection TEXT NOT NULL DEFAULT '',
    status_text TEXT NOT NULL DEFAULT '',
    status_state TEXT NOT NULL DEFAULT '',
    status_reporter TEXT NOT NULL DEFAULT '',
    status_at REAL NOT NULL DEFAULT 0,
    status_since REAL NOT NULL DEFAULT 0,
    error_text TEXT NOT NULL DEFAULT '',
    error_at REAL NOT NULL DEFAULT 0,
    UNIQUE (reference, computer_id)
);
CREATE INDEX shared_host ON shared_instance (host_id, position);
CREATE INDEX shared_tree ON shared_instance (tree);
CREATE INDEX shared_requester ON shared_instance (requester_id);
CREATE INDEX shared_position ON shared_instance (position);
CREATE INDEX shared_computer ON shared_instance (computer_id);

CREATE TABLE usage_report (
    id INTEGER PRIMARY KEY,
    computer_id INTEGER NOT NULL REFERENCES computer (id) ON DELETE CASCADE,
    reference TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at REAL NOT NULL,
    UNIQUE (computer_id, reference, version),
    UNIQUE (computer_id, reference, digest)
);
