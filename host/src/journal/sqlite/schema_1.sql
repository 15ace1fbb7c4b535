-- Names become small integers once, so that rows stay short.
CREATE TABLE endpoint (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The durable list of plugins. A removed one keeps its row: its deliveries are
-- parked, its history and its counters stay readable.
CREATE TABLE plugin (
  id           INTEGER PRIMARY KEY,
  endpoint     INTEGER NOT NULL REFERENCES endpoint(id),
  name         TEXT NOT NULL,
  subscription TEXT NOT NULL,           -- JSON
  installed_at INTEGER NOT NULL,        -- times are Unix microseconds
  removed_at   INTEGER,
  UNIQUE (endpoint, name)
) STRICT;

-- An event's deliveries have the ids first_delivery, first_delivery + 1, …:
-- this saves an index from events to deliveries.
CREATE TABLE event (
  seq            INTEGER PRIMARY KEY,
  id             BLOB NOT NULL,         -- UUID, 16 bytes
  endpoint       INTEGER NOT NULL REFERENCES endpoint(id),
  event_type     TEXT NOT NULL,
  agent_id       TEXT,
  session_id     TEXT,
  occurred_at    REAL,                  -- the sender's clock, Unix seconds
  received_at    INTEGER NOT NULL,
  test_header    INTEGER NOT NULL,
  first_delivery INTEGER NOT NULL,
  deliveries     INTEGER NOT NULL,
  body           BLOB NOT NULL          -- byte for byte as sent
) STRICT;
CREATE UNIQUE INDEX event_id ON event(id);

CREATE TABLE delivery (
  id          INTEGER PRIMARY KEY,
  event       INTEGER NOT NULL REFERENCES event(seq),
  plugin      INTEGER NOT NULL REFERENCES plugin(id),
  state       INTEGER NOT NULL,         -- 0 pending, 1 done, 2 ignored, 3 dead
  attempts    INTEGER NOT NULL,
  traps       INTEGER NOT NULL,         -- of the attempts, those that trapped or hit a limit
  due_at      INTEGER,
  started_at  INTEGER,                  -- of the latest attempt, like the rest
  duration_us INTEGER,
  cpu_us      INTEGER,
  peak_memory INTEGER,
  reason      TEXT
) STRICT;
CREATE INDEX delivery_pending ON delivery(plugin, id) WHERE state = 0;
CREATE INDEX delivery_dead ON delivery(plugin, id) WHERE state = 3;

-- Dedupe keys by generation: a generation is dropped from the file as a whole,
-- in key order, once its newest key is older than the window.
CREATE TABLE dedupe_generation (
  id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
  opened_at INTEGER NOT NULL,
  newest_at INTEGER NOT NULL
) STRICT;
CREATE TABLE dedupe (
  generation  INTEGER NOT NULL,
  endpoint    INTEGER NOT NULL,
  key         BLOB NOT NULL,            -- 16 bytes
  event_id    BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (generation, endpoint, key)
) STRICT, WITHOUT ROWID;

-- Keys that aren't in dedupe yet. They lie in no order of their own, and each
-- put there by itself would write a page for every event: they gather here, in
-- the order of time, and go over sorted, many to a page.
CREATE TABLE dedupe_fresh (
  id          INTEGER PRIMARY KEY,
  generation  INTEGER NOT NULL,
  endpoint    INTEGER NOT NULL,
  key         BLOB NOT NULL,
  event_id    BLOB NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
  plugin INTEGER NOT NULL REFERENCES plugin(id),
  name   TEXT NOT NULL,
  value  INTEGER NOT NULL,
  PRIMARY KEY (plugin, name)
) STRICT, WITHOUT ROWID;

-- One row, written with each commit: totals, so that nothing counts rows, and
-- the next numbers, so that none is used again after its row is gone.
CREATE TABLE totals (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  events        INTEGER NOT NULL,
  pending       INTEGER NOT NULL,
  done          INTEGER NOT NULL,
  ignored       INTEGER NOT NULL,
  dead          INTEGER NOT NULL,
  next_event    INTEGER NOT NULL,
  next_delivery INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 1, 1);
