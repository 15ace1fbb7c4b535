-- What an operator had done: 1 run again, 2 made by a replay. Only those of 2
-- have ids outside their event's range. The log is the latest attempt's, JSON.
ALTER TABLE delivery ADD COLUMN manual INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN log TEXT;
DROP INDEX delivery_pending;
CREATE INDEX delivery_pending ON delivery(plugin, id) WHERE state = 0 AND manual = 0;
CREATE INDEX delivery_manual ON delivery(plugin, id) WHERE state = 0 AND manual > 0;
CREATE INDEX delivery_added ON delivery(event) WHERE manual = 2;

-- Attempts before the latest, which is in the delivery's row: most deliveries
-- have one attempt and no row here.
CREATE TABLE attempt (
  delivery    INTEGER NOT NULL,
  place       INTEGER NOT NULL,         -- counts up
  number      INTEGER NOT NULL,
  state       INTEGER NOT NULL,         -- what the delivery was after it
  reason      TEXT,
  started_at  INTEGER NOT NULL,
  duration_us INTEGER,
  cpu_us      INTEGER,
  peak_memory INTEGER,
  log         TEXT,
  PRIMARY KEY (delivery, place)
) STRICT, WITHOUT ROWID;

-- The value comes last: whoever lists keys doesn't read it.
CREATE TABLE kv (
  plugin  INTEGER NOT NULL,
  bucket  TEXT NOT NULL,
  key     TEXT NOT NULL,
  version INTEGER NOT NULL,             -- of the finish that wrote it
  value   BLOB NOT NULL,
  PRIMARY KEY (plugin, bucket, key)
) STRICT, WITHOUT ROWID;

-- What each plugin has, so that nothing adds up rows.
ALTER TABLE plugin ADD COLUMN kv_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plugin ADD COLUMN counters INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plugin ADD COLUMN outbox_bytes INTEGER NOT NULL DEFAULT 0; -- of requests that aren't sent
UPDATE plugin SET counters = (SELECT count(*) FROM counter c WHERE c.plugin = plugin.id);

-- A sent request keeps neither headers nor body, and of its address only the
-- target: the rest may be a secret.
CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY,
  event      INTEGER NOT NULL,
  delivery   INTEGER NOT NULL,
  plugin     INTEGER NOT NULL,
  idx        INTEGER NOT NULL,
  state      INTEGER NOT NULL,          -- 0 pending, 1 sent, 2 dead
  attempts   INTEGER NOT NULL,
  queued_at  INTEGER NOT NULL,
  due_at     INTEGER,
  started_at INTEGER,                   -- of the latest attempt, like the rest
  status     INTEGER,
  reason     TEXT,
  method     TEXT NOT NULL,
  target     TEXT NOT NULL,             -- scheme://host:port
  url        TEXT NOT NULL,
  headers    TEXT NOT NULL,             -- JSON
  body       BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox(plugin, due_at, id) WHERE state = 0;
CREATE INDEX outbox_dead ON outbox(plugin, id) WHERE state = 2;
CREATE INDEX outbox_event ON outbox(event, delivery);

ALTER TABLE totals ADD COLUMN kv_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN outbox_pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN outbox_dead INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN next_outbox INTEGER NOT NULL DEFAULT 1;
