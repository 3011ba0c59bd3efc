-- Sessions of tower-didt, version 1.
--
-- Times are seconds since the Unix epoch. Tables carry no foreign keys: an issuer without a row has
-- never signed out everywhere, and the row of a token may outlive the session that it made.

CREATE TABLE {prefix}_sessions (
    handle blob PRIMARY KEY CHECK (length(handle) = 32),
    issuer blob NOT NULL CHECK (length(issuer) = 20),
    -- The order among the issuer's sessions. Never given twice.
    number integer NOT NULL CHECK (number >= 0),
    created_at real NOT NULL,
    last_seen real NOT NULL,
    expires_at real NOT NULL,
    -- Counts the changes of data.
    version integer NOT NULL DEFAULT 1,
    data text,
    -- When the row may be removed, by the clock of this machine.
    forget_at real NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX {prefix}_sessions_in_order ON {prefix}_sessions (issuer, number);
CREATE INDEX {prefix}_sessions_to_forget ON {prefix}_sessions (forget_at);

-- Tokens that were used, or only seen.
CREATE TABLE {prefix}_tokens (
    digest blob PRIMARY KEY CHECK (length(digest) = 32),
    used integer NOT NULL,
    -- The issuer's revocations when the row was made: a token of before the latest is revoked.
    revocations integer NOT NULL,
    forget_at real NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX {prefix}_tokens_to_forget ON {prefix}_tokens (forget_at);

-- What is known of an issuer beside sessions.
CREATE TABLE {prefix}_issuers (
    issuer blob PRIMARY KEY CHECK (length(issuer) = 20),
    -- Grows whenever the issuer signs out everywhere.
    revocations integer NOT NULL DEFAULT 0,
    -- Tokens that were issued until then are revoked.
    revoked_until real,
    -- Sessions with this number and lower ones have ended.
    ended integer NOT NULL DEFAULT -1,
    -- Whether rows of ended sessions may remain.
    leftover integer NOT NULL DEFAULT 0,
    -- When the newest token was issued.
    newest real,
    forget_at real NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX {prefix}_issuers_to_forget ON {prefix}_issuers (forget_at);
CREATE INDEX {prefix}_issuers_with_leftovers ON {prefix}_issuers (issuer) WHERE leftover = 1;
