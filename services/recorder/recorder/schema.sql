-- The raw record: what was on the wire, and up to where. Nothing here is derived; the views and the tables of typed.sql are.

CREATE TABLE IF NOT EXISTS recorded (
    stream        VARCHAR NOT NULL,
    generation    INTEGER NOT NULL,   -- 1, 2...: which stream of that name (see watermarks)
    sequence      BIGINT  NOT NULL,   -- the stream's own
    subject       VARCHAR NOT NULL,
    stored_at_ns  BIGINT  NOT NULL,   -- the server's time, nanoseconds since 1970 in UTC
    message_id    VARCHAR NOT NULL,   -- header Nats-Msg-Id, or ''
    payload       VARCHAR,            -- as on the wire, when it is text (UTF-8); its beginning, when payload_size is set
    payload_bytes BLOB                -- as on the wire, when it is not; its beginning, when payload_size is set
);

-- (stream, generation, sequence) is unique without an index, which would be held in memory and grow for ever: this
-- process alone writes the file, each transaction moves the watermark from the value it read, and holds only rows beyond it.
CREATE TABLE IF NOT EXISTS watermarks (
    stream         VARCHAR NOT NULL,
    generation     INTEGER NOT NULL,
    created        VARCHAR NOT NULL,  -- the server's creation time of that stream: its identity
    last_sequence  BIGINT  NOT NULL
);

-- A message that is longer than the record keeps: its true size and the MD5 of the whole.
ALTER TABLE recorded ADD COLUMN IF NOT EXISTS payload_size BIGINT;
ALTER TABLE recorded ADD COLUMN IF NOT EXISTS payload_md5 VARCHAR;

-- By which text the views and the typed tables were made.
CREATE TABLE IF NOT EXISTS layouts (name VARCHAR NOT NULL, digest VARCHAR NOT NULL);

CREATE OR REPLACE MACRO readable(text) AS CASE WHEN json_valid(text) THEN text END;
