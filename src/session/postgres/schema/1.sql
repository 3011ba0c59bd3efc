-- Sessions of tower-didt, version 1.
--
-- Times are seconds since the Unix epoch. Tables carry no foreign keys: an issuer without a row has
-- never signed out everywhere, and the row of a token may outlive the session that it made.

CREATE TABLE {schema}.sessions (
    handle bytea PRIMARY KEY CHECK (octet_length(handle) = 32),
    issuer bytea NOT NULL CHECK (octet_length(issuer) = 20),
    -- The order among the issuer's sessions. Never given twice.
    number bigint NOT NULL CHECK (number >= 0),
    created_at double precision NOT NULL,
    last_seen double precision NOT NULL,
    expires_at double precision NOT NULL,
    -- Counts the changes of data.
    version bigint NOT NULL DEFAULT 1,
    data text,
    -- When the row may be removed, by the clock of this server.
    forget_at double precision NOT NULL
)
-- Room for last_seen to change within its page, without touching an index.
WITH (fillfactor = 85);
CREATE UNIQUE INDEX sessions_in_order ON {schema}.sessions (issuer, number);
CREATE INDEX sessions_to_forget ON {schema}.sessions (forget_at);

-- Tokens that were used, or only seen.
CREATE TABLE {schema}.tokens (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    used boolean NOT NULL,
    -- The issuer's revocations when the row was made: a token of before the latest is revoked.
    revocations bigint NOT NULL,
    forget_at double precision NOT NULL
);
CREATE INDEX tokens_to_forget ON {schema}.tokens (forget_at);

-- What is known of an issuer beside sessions.
CREATE TABLE {schema}.issuers (
    issuer bytea PRIMARY KEY CHECK (octet_length(issuer) = 20),
    -- Grows whenever the issuer signs out everywhere.
    revocations bigint NOT NULL DEFAULT 0,
    -- Tokens that were issued until then are revoked.
    revoked_until double precision,
    -- Sessions with this number and lower ones have ended.
    ended bigint NOT NULL DEFAULT -1,
    -- Whether rows of ended sessions may remain.
    leftover boolean NOT NULL DEFAULT false,
    -- When the newest token was issued.
    newest double precision,
    forget_at double precision NOT NULL
);
CREATE INDEX issuers_to_forget ON {schema}.issuers (forget_at);
CREATE INDEX issuers_with_leftovers ON {schema}.issuers (issuer) WHERE leftover;

CREATE FUNCTION {schema}.server_now() RETURNS double precision
LANGUAGE sql VOLATILE AS $body$ SELECT extract(epoch FROM clock_timestamp())::double precision $body$;

-- Begins every other function. A lock is awaited for p_wait milliseconds; p_lock is the issuer's, and
-- held to the end of the transaction. Whatever statistics say, no plan reads a whole table.
CREATE FUNCTION {schema}.enter(p_wait integer, p_lock bigint) RETURNS void
LANGUAGE plpgsql AS $body$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'a standby is not asked for sessions' USING ERRCODE = '25006';
    END IF;
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'sessions need the isolation level read committed' USING ERRCODE = '25001';
    END IF;
    PERFORM set_config('lock_timeout', p_wait::text, true),
        set_config('enable_seqscan', 'off', true);
    IF p_lock IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(p_lock);
    END IF;
END
$body$;

-- Tells who listens which issuers' sessions changed, whoever changed them.
CREATE FUNCTION {schema}.tell() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
    v_issuer bytea;
    v_told integer := 0;
BEGIN
    IF current_setting('didt.quiet', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify({channel}, '*');
        RETURN NULL;
    END IF;
    FOR v_issuer IN SELECT DISTINCT changed.issuer FROM changed LIMIT 101 LOOP
        v_told := v_told + 1;
        -- One word for all, in place of very many.
        IF v_told > 100 THEN
            PERFORM pg_notify({channel}, '*');
            EXIT;
        END IF;
        PERFORM pg_notify({channel}, encode(v_issuer, 'hex'));
    END LOOP;
    RETURN NULL;
END
$body$;
CREATE TRIGGER tell_of_updates AFTER UPDATE ON {schema}.sessions
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.tell();
CREATE TRIGGER tell_of_deletions AFTER DELETE ON {schema}.sessions
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.tell();
CREATE TRIGGER tell_of_truncation AFTER TRUNCATE ON {schema}.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.tell();

-- What a token is: 0 new, 1 used, 2 revoked. And what to write into its row.
CREATE FUNCTION {schema}.token_state(
    p_digest bytea, p_issuer bytea, p_issued_at double precision,
    OUT state integer, OUT revocations bigint, OUT ended bigint
)
LANGUAGE plpgsql AS $body$
DECLARE
    v_until double precision;
    v_used boolean;
    v_made bigint;
BEGIN
    SELECT i.revocations, i.revoked_until, i.ended INTO revocations, v_until, ended
        FROM {schema}.issuers i WHERE i.issuer = p_issuer;
    revocations := coalesce(revocations, 0);
    ended := coalesce(ended, -1);
    SELECT t.used, t.revocations INTO v_used, v_made FROM {schema}.tokens t WHERE t.digest = p_digest;
    state := CASE
        WHEN p_issued_at <= v_until OR v_made < revocations THEN 2
        WHEN v_used THEN 1
        ELSE 0
    END;
END
$body$;

-- Marks a token that is new as used: 0, or what it is otherwise. To be called with the issuer's lock.
CREATE FUNCTION {schema}.use_token(
    p_digest bytea, p_issuer bytea, p_issued_at double precision, p_life double precision,
    OUT state integer, OUT ended bigint
)
LANGUAGE plpgsql AS $body$
DECLARE
    v_revocations bigint;
BEGIN
    SELECT s.state, s.revocations, s.ended INTO state, v_revocations, ended
        FROM {schema}.token_state(p_digest, p_issuer, p_issued_at) s;
    IF state <> 0 THEN
        RETURN;
    END IF;
    INSERT INTO {schema}.tokens AS t (digest, used, revocations, forget_at)
        VALUES (p_digest, true, v_revocations, {schema}.server_now() + p_life)
        ON CONFLICT (digest) DO UPDATE
            SET used = true, revocations = excluded.revocations,
                forget_at = greatest(t.forget_at, excluded.forget_at)
            WHERE NOT t.used;
    -- The key alone would suffice, without any lock.
    IF NOT FOUND THEN
        state := 1;
    END IF;
END
$body$;

CREATE FUNCTION {schema}.claim(
    p_wait integer, p_lock bigint,
    p_digest bytea, p_issuer bytea, p_issued_at double precision, p_life double precision
) RETURNS integer
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, p_lock);
    RETURN (SELECT u.state FROM {schema}.use_token(p_digest, p_issuer, p_issued_at, p_life) u);
END
$body$;

-- What a token is. With p_life it is remembered as seen.
CREATE FUNCTION {schema}.state_of(
    p_wait integer, p_lock bigint,
    p_digest bytea, p_issuer bytea, p_issued_at double precision, p_life double precision
) RETURNS integer
LANGUAGE plpgsql AS $body$
DECLARE
    v_state integer;
    v_revocations bigint;
BEGIN
    PERFORM {schema}.enter(p_wait, CASE WHEN p_life IS NULL THEN NULL ELSE p_lock END);
    SELECT s.state, s.revocations INTO v_state, v_revocations
        FROM {schema}.token_state(p_digest, p_issuer, p_issued_at) s;
    IF v_state = 0 AND p_life IS NOT NULL THEN
        INSERT INTO {schema}.tokens (digest, used, revocations, forget_at)
            VALUES (p_digest, false, v_revocations, {schema}.server_now() + p_life)
            ON CONFLICT (digest) DO NOTHING;
    END IF;
    RETURN v_state;
END
$body$;

-- Notes when a token was issued, unless a newer one of its issuer is noted.
CREATE FUNCTION {schema}.advance(
    p_wait integer, p_lock bigint,
    p_issuer bytea, p_issued_at double precision, p_note double precision, p_life double precision
) RETURNS boolean
LANGUAGE plpgsql AS $body$
DECLARE
    v_newest double precision;
BEGIN
    PERFORM {schema}.enter(p_wait, p_lock);
    SELECT i.newest INTO v_newest FROM {schema}.issuers i WHERE i.issuer = p_issuer;
    IF p_issued_at < v_newest THEN
        RETURN false;
    END IF;
    IF v_newest IS NULL OR v_newest < p_note THEN
        INSERT INTO {schema}.issuers AS i (issuer, newest, forget_at)
            VALUES (p_issuer, p_note, {schema}.server_now() + p_life)
            ON CONFLICT (issuer) DO UPDATE
                SET newest = excluded.newest,
                    forget_at = greatest(i.forget_at, excluded.forget_at);
    END IF;
    RETURN true;
END
$body$;

-- Makes a session of a token that is new: 0, or what the token is otherwise.
CREATE FUNCTION {schema}.mint(
    p_wait integer, p_lock bigint,
    p_digest bytea, p_issuer bytea, p_issued_at double precision, p_life double precision,
    p_handle bytea, p_now double precision, p_expires_at double precision, p_kept double precision,
    p_data text, p_number bigint, p_limit bigint, p_look_at integer, p_end_at_most integer,
    p_replaced_issuer bytea, p_replaced_handle bytea
) RETURNS integer
LANGUAGE plpgsql AS $body$
DECLARE
    v_state integer;
    v_ended bigint;
    v_last bigint;
    v_line bigint;
BEGIN
    PERFORM {schema}.enter(p_wait, p_lock);
    SELECT u.state, u.ended INTO v_state, v_ended
        FROM {schema}.use_token(p_digest, p_issuer, p_issued_at, p_life) u;
    IF v_state <> 0 THEN
        RETURN v_state;
    END IF;
    IF p_replaced_handle IS NOT NULL THEN
        DELETE FROM {schema}.sessions s
            WHERE s.handle = p_replaced_handle AND s.issuer = p_replaced_issuer;
    END IF;
    IF p_limit > 0 THEN
        -- Sessions that have expired make room first.
        DELETE FROM {schema}.sessions d WHERE d.handle = ANY (ARRAY(
            SELECT o.handle FROM (
                SELECT s.handle, s.expires_at FROM {schema}.sessions s
                    WHERE s.issuer = p_issuer AND s.number > v_ended
                    ORDER BY s.number LIMIT p_look_at
            ) o WHERE o.expires_at <= p_now
        ));
        -- The oldest, until one more is within the limit.
        SELECT s.number INTO v_line FROM {schema}.sessions s
            WHERE s.issuer = p_issuer AND s.number > v_ended
            ORDER BY s.number DESC OFFSET p_limit - 1 LIMIT 1;
        IF v_line IS NOT NULL THEN
            DELETE FROM {schema}.sessions d WHERE d.handle = ANY (ARRAY(
                SELECT s.handle FROM {schema}.sessions s
                    WHERE s.issuer = p_issuer AND s.number > v_ended AND s.number <= v_line
                    ORDER BY s.number LIMIT p_end_at_most
            ));
        END IF;
    END IF;
    SELECT max(s.number) INTO v_last FROM {schema}.sessions s WHERE s.issuer = p_issuer;
    INSERT INTO {schema}.sessions
        (handle, issuer, number, created_at, last_seen, expires_at, data, forget_at)
        VALUES (p_handle, p_issuer, greatest(p_number, v_last + 1, v_ended + 1),
            p_now, p_now, p_expires_at, p_data, {schema}.server_now() + p_kept);
    RETURN 0;
END
$body$;

-- The session of a handle, all null if there is none; and which server says so.
CREATE FUNCTION {schema}.load(
    p_wait integer, p_issuer bytea, p_handle bytea,
    OUT server bigint, OUT created_at double precision, OUT last_seen double precision,
    OUT expires_at double precision, OUT version bigint, OUT data text
)
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    server := {schema}.server();
    SELECT s.created_at, s.last_seen, s.expires_at, s.version, s.data
        INTO created_at, last_seen, expires_at, version, data
        FROM {schema}.sessions s
        WHERE s.handle = p_handle AND s.issuer = p_issuer
            AND s.number > coalesce(
                (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = p_issuer), -1);
END
$body$;

-- The same for several handles, in their order.
CREATE FUNCTION {schema}.load_together(p_wait integer, p_issuers bytea[], p_handles bytea[])
RETURNS TABLE (
    server bigint, created_at double precision, last_seen double precision,
    expires_at double precision, version bigint, data text
)
LANGUAGE plpgsql AS $body$
DECLARE
    v_server bigint := {schema}.server();
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    -- One look-up for each.
    PERFORM set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);
    RETURN QUERY SELECT v_server, s.created_at, s.last_seen, s.expires_at, s.version, s.data
        FROM unnest(p_issuers, p_handles) WITH ORDINALITY AS a (issuer, handle, place)
        LEFT JOIN {schema}.sessions s ON s.handle = a.handle AND s.issuer = a.issuer
            AND s.number > coalesce(
                (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = a.issuer), -1)
        ORDER BY a.place;
END
$body$;

-- Tells one server from another: when it was started, in microseconds.
CREATE FUNCTION {schema}.server() RETURNS bigint
LANGUAGE sql STABLE AS $body$
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
$body$;

-- A page of an issuer's sessions, the oldest first.
CREATE FUNCTION {schema}.list(p_wait integer, p_issuer bytea, p_after bigint, p_count integer)
RETURNS TABLE (
    handle bytea, number bigint, created_at double precision, last_seen double precision,
    expires_at double precision, version bigint, data text
)
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    RETURN QUERY SELECT
            s.handle, s.number, s.created_at, s.last_seen, s.expires_at, s.version, s.data
        FROM {schema}.sessions s
        WHERE s.issuer = p_issuer AND s.number > greatest(p_after, coalesce(
            (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = p_issuer), -1))
        ORDER BY s.number LIMIT p_count;
END
$body$;

-- Issuers that have rows of sessions, in their order, from the first after p_after on; and whether any of
-- those sessions has not ended. One look-up for each, however many sessions it has.
CREATE FUNCTION {schema}.issuers(p_wait integer, p_after bytea, p_count integer)
RETURNS TABLE (issuer bytea, lives boolean)
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    issuer := p_after;
    FOR v_place IN 1..p_count LOOP
        SELECT s.issuer INTO issuer FROM {schema}.sessions s
            WHERE s.issuer > issuers.issuer ORDER BY s.issuer, s.number LIMIT 1;
        EXIT WHEN NOT FOUND;
        lives := EXISTS (SELECT FROM {schema}.sessions s
            WHERE s.issuer = issuers.issuer AND s.number > coalesce(
                (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = issuers.issuer), -1));
        RETURN NEXT;
    END LOOP;
END
$body$;

-- Moves a session's last use forward. A crash may undo it: nobody waits for the disk.
CREATE FUNCTION {schema}.touch(
    p_wait integer, p_issuer bytea, p_handle bytea, p_now double precision
) RETURNS void
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE {schema}.sessions s SET last_seen = p_now
        WHERE s.handle = p_handle AND s.issuer = p_issuer AND s.last_seen < p_now;
END
$body$;

-- Replaces a session's data, if it is what the caller has read: whether it was. Of two that have read the
-- same, the second waits for the first one's lock on the row, and then finds other data.
CREATE FUNCTION {schema}.update_data(
    p_wait integer, p_issuer bytea, p_handle bytea, p_read text, p_data text
) RETURNS boolean
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    UPDATE {schema}.sessions s SET data = p_data, version = s.version + 1
        WHERE s.handle = p_handle AND s.issuer = p_issuer AND s.data IS NOT DISTINCT FROM p_read
            AND s.number > coalesce(
                (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = p_issuer), -1);
    RETURN FOUND;
END
$body$;

-- Ends a session: whether there was one.
CREATE FUNCTION {schema}.revoke(p_wait integer, p_issuer bytea, p_handle bytea) RETURNS boolean
LANGUAGE plpgsql AS $body$
DECLARE
    v_number bigint;
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    DELETE FROM {schema}.sessions s WHERE s.handle = p_handle AND s.issuer = p_issuer
        RETURNING s.number INTO v_number;
    RETURN v_number IS NOT NULL AND v_number > coalesce(
        (SELECT i.ended FROM {schema}.issuers i WHERE i.issuer = p_issuer), -1);
END
$body$;

-- Ends all sessions of an issuer and its tokens. Rows beyond p_at_once are removed later.
CREATE FUNCTION {schema}.revoke_all(
    p_wait integer, p_lock bigint,
    p_issuer bytea, p_now double precision, p_life double precision, p_at_once integer
) RETURNS void
LANGUAGE plpgsql AS $body$
DECLARE
    v_now double precision := {schema}.server_now();
    v_last bigint;
    v_ended bigint;
    v_removed integer;
BEGIN
    PERFORM {schema}.enter(p_wait, p_lock);
    SELECT max(s.number) INTO v_last FROM {schema}.sessions s WHERE s.issuer = p_issuer;
    -- Revocations are counted in microseconds of the clock, so that the count goes on where a row
    -- was forgotten.
    INSERT INTO {schema}.issuers AS i (issuer, revocations, revoked_until, ended, forget_at)
        VALUES (p_issuer, (v_now * 1000000)::bigint, p_now, coalesce(v_last, -1), v_now + p_life)
        ON CONFLICT (issuer) DO UPDATE
            SET revocations = greatest(i.revocations + 1, excluded.revocations),
                revoked_until = greatest(i.revoked_until, excluded.revoked_until),
                ended = greatest(i.ended, excluded.ended),
                forget_at = greatest(i.forget_at, excluded.forget_at)
        RETURNING i.ended INTO v_ended;
    DELETE FROM {schema}.sessions d WHERE d.handle = ANY (ARRAY(
        SELECT s.handle FROM {schema}.sessions s
            WHERE s.issuer = p_issuer AND s.number <= v_ended
            ORDER BY s.number LIMIT p_at_once
    ));
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    IF v_removed >= p_at_once THEN
        UPDATE {schema}.issuers i SET leftover = true WHERE i.issuer = p_issuer;
    END IF;
    PERFORM pg_notify({channel}, encode(p_issuer, 'hex'));
END
$body$;

-- Removes rows that nobody needs any more, up to p_at_most of each table: how many it removed, and how
-- far it has come, for the next step of the round. One at a time does so.
--
-- Entries of removed rows stay in an index as long as some transaction may still see them, such as a
-- backup. Were each step to begin at the first entry, it would go through those of all steps before it.
CREATE FUNCTION {schema}.clean(
    p_wait integer, p_lock bigint, p_at_most integer,
    INOUT p_tokens double precision, INOUT p_sessions double precision,
    INOUT p_issuers double precision, INOUT p_issuer bytea, INOUT p_number bigint,
    OUT removed bigint
)
LANGUAGE plpgsql AS $body$
DECLARE
    v_now double precision := {schema}.server_now();
    v_count bigint;
    v_keys bytea[];
    v_last double precision;
    v_last_number bigint;
    v_issuer bytea;
    v_ended bigint;
BEGIN
    removed := 0;
    PERFORM {schema}.enter(p_wait, NULL);
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        RETURN;
    END IF;
    -- What has expired is refused by its time, in copies too. Rows that a crash brings back are
    -- removed again.
    PERFORM set_config('didt.quiet', 'on', true), set_config('synchronous_commit', 'off', true);
    -- Each row is looked at again when it is deleted, by no index: it may have been given a longer life.
    SELECT array_agg(o.digest), max(o.forget_at) INTO v_keys, v_last FROM (
        SELECT t.digest, t.forget_at FROM {schema}.tokens t
            WHERE t.forget_at >= p_tokens AND t.forget_at < v_now
            ORDER BY t.forget_at LIMIT p_at_most
    ) o;
    DELETE FROM {schema}.tokens d WHERE d.digest = ANY (v_keys) AND d.forget_at + 0 < v_now;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    removed := removed + v_count;
    p_tokens := coalesce(v_last, p_tokens);
    SELECT array_agg(o.handle), max(o.forget_at) INTO v_keys, v_last FROM (
        SELECT s.handle, s.forget_at FROM {schema}.sessions s
            WHERE s.forget_at >= p_sessions AND s.forget_at < v_now
            ORDER BY s.forget_at LIMIT p_at_most
    ) o;
    DELETE FROM {schema}.sessions d WHERE d.handle = ANY (v_keys) AND d.forget_at + 0 < v_now;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    removed := removed + v_count;
    p_sessions := coalesce(v_last, p_sessions);
    SELECT i.issuer, i.ended INTO v_issuer, v_ended FROM {schema}.issuers i
        WHERE i.leftover ORDER BY i.issuer LIMIT 1;
    IF v_issuer IS NOT NULL THEN
        IF v_issuer IS DISTINCT FROM p_issuer THEN
            p_number := -1;
        END IF;
        SELECT array_agg(o.handle), max(o.number) INTO v_keys, v_last_number FROM (
            SELECT s.handle, s.number FROM {schema}.sessions s
                WHERE s.issuer = v_issuer AND s.number > p_number AND s.number <= v_ended
                ORDER BY s.number LIMIT p_at_most
        ) o;
        DELETE FROM {schema}.sessions d WHERE d.handle = ANY (v_keys);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        removed := removed + v_count;
        IF v_count < p_at_most THEN
            UPDATE {schema}.issuers i SET leftover = false
                WHERE i.issuer = v_issuer AND i.ended = v_ended;
        END IF;
        p_issuer := v_issuer;
        p_number := coalesce(v_last_number, p_number);
    END IF;
    SELECT array_agg(o.issuer), max(o.forget_at) INTO v_keys, v_last FROM (
        SELECT i.issuer, i.forget_at FROM {schema}.issuers i
            WHERE i.forget_at >= p_issuers AND i.forget_at < v_now
            ORDER BY i.forget_at LIMIT p_at_most
    ) o;
    DELETE FROM {schema}.issuers d
        WHERE d.issuer = ANY (v_keys) AND NOT d.leftover AND d.forget_at + 0 < v_now;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    removed := removed + v_count;
    p_issuers := coalesce(v_last, p_issuers);
END
$body$;

-- Whether this server can do its work; which version of this schema it has.
CREATE FUNCTION {schema}.ready(p_wait integer) RETURNS integer
LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM {schema}.enter(p_wait, NULL);
    IF current_setting('transaction_read_only') = 'on' THEN
        RAISE EXCEPTION 'transactions are read-only' USING ERRCODE = '25006';
    END IF;
    RETURN (SELECT max(m.version) FROM {schema}.migrations m);
END
$body$;
