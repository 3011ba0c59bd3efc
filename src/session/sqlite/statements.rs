//! The statements of one application's tables, made once.

use sqlx::SqlStr;

use super::schema::Schema;

macro_rules! statements {
    ($($name:ident: $sql:literal,)*) => {
        #[derive(Debug)]
        pub(super) struct Statements {
            $(pub(super) $name: SqlStr,)*
        }

        impl Statements {
            pub(super) fn new(schema: &Schema) -> Self {
                Self { $($name: schema.statement($sql),)* }
            }

            /// All of them, by their names.
            #[cfg(test)]
            pub(super) fn all(&self) -> Vec<(&'static str, SqlStr)> {
                vec![$((stringify!($name), self.$name.clone()),)*]
            }
        }
    };
}

statements! {
    issuer: "SELECT revocations, revoked_until, ended FROM {p}_issuers WHERE issuer = ?1",
    token: "SELECT used, revocations FROM {p}_tokens WHERE digest = ?1",
    use_token: "INSERT INTO {p}_tokens (digest, used, revocations, forget_at) VALUES (?1, 1, ?2, ?3) \
        ON CONFLICT (digest) DO UPDATE SET used = 1, revocations = excluded.revocations, \
        forget_at = max(forget_at, excluded.forget_at) WHERE used = 0",
    see_token: "INSERT INTO {p}_tokens (digest, used, revocations, forget_at) VALUES (?1, 0, ?2, ?3) \
        ON CONFLICT (digest) DO NOTHING",
    newest: "SELECT newest FROM {p}_issuers WHERE issuer = ?1",
    advance: "INSERT INTO {p}_issuers (issuer, newest, forget_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (issuer) DO UPDATE SET newest = excluded.newest, \
        forget_at = max(forget_at, excluded.forget_at)",
    // The sessions of an issuer with numbers from ?2 on, of which ?3 are looked at.
    expired: "DELETE FROM {p}_sessions WHERE handle IN (SELECT handle FROM \
        (SELECT handle, expires_at FROM {p}_sessions WHERE issuer = ?1 AND number > ?2 \
        ORDER BY number LIMIT ?3) WHERE expires_at <= ?4)",
    line: "SELECT number FROM {p}_sessions WHERE issuer = ?1 AND number > ?2 \
        ORDER BY number DESC LIMIT 1 OFFSET ?3",
    make_room: "DELETE FROM {p}_sessions WHERE handle IN (SELECT handle FROM {p}_sessions \
        WHERE issuer = ?1 AND number > ?2 AND number <= ?3 ORDER BY number LIMIT ?4)",
    last: "SELECT max(number) FROM {p}_sessions WHERE issuer = ?1",
    mint: "INSERT INTO {p}_sessions (handle, issuer, number, created_at, last_seen, expires_at, \
        data, forget_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
    load: "SELECT created_at, last_seen, expires_at, data FROM {p}_sessions \
        WHERE handle = ?1 AND issuer = ?2 AND number > \
        coalesce((SELECT ended FROM {p}_issuers WHERE issuer = ?2), -1)",
    list: "SELECT handle, number, created_at, last_seen, expires_at, data FROM {p}_sessions \
        WHERE issuer = ?1 AND number > max(?2, \
        coalesce((SELECT ended FROM {p}_issuers WHERE issuer = ?1), -1)) ORDER BY number LIMIT ?3",
    // Issuers that have rows of sessions, in their order; and whether any of those has not ended. One
    // look-up for each, however many sessions it has.
    issuers: "WITH RECURSIVE walk (issuer) AS (\
        SELECT min(issuer) FROM {p}_sessions WHERE issuer > ?1 UNION ALL \
        SELECT (SELECT min(issuer) FROM {p}_sessions WHERE issuer > walk.issuer) \
        FROM walk WHERE walk.issuer IS NOT NULL LIMIT ?2) \
        SELECT issuer, EXISTS (SELECT 1 FROM {p}_sessions WHERE issuer = walk.issuer AND number > \
        coalesce((SELECT ended FROM {p}_issuers WHERE issuer = walk.issuer), -1)) AS lives \
        FROM walk WHERE issuer IS NOT NULL",
    touch: "UPDATE {p}_sessions SET last_seen = ?3 WHERE handle = ?1 AND issuer = ?2 \
        AND last_seen < ?3",
    update_data: "UPDATE {p}_sessions SET data = ?4, version = version + 1 \
        WHERE handle = ?1 AND issuer = ?2 AND data IS ?3 AND number > \
        coalesce((SELECT ended FROM {p}_issuers WHERE issuer = ?2), -1)",
    revoke: "DELETE FROM {p}_sessions WHERE handle = ?1 AND issuer = ?2 RETURNING number",
    // Revocations are counted in microseconds of the clock, so that the count goes on where a row
    // was forgotten.
    revoke_all: "INSERT INTO {p}_issuers (issuer, revocations, revoked_until, ended, forget_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (issuer) DO UPDATE SET \
        revocations = max(revocations + 1, excluded.revocations), \
        revoked_until = max(coalesce(revoked_until, excluded.revoked_until), excluded.revoked_until), \
        ended = max(ended, excluded.ended), forget_at = max(forget_at, excluded.forget_at) \
        RETURNING ended",
    remove_ended: "DELETE FROM {p}_sessions WHERE handle IN (SELECT handle FROM {p}_sessions \
        WHERE issuer = ?1 AND number <= ?2 ORDER BY number LIMIT ?3)",
    note_leftover: "UPDATE {p}_issuers SET leftover = ?2 WHERE issuer = ?1",
    leftover: "SELECT issuer, ended FROM {p}_issuers WHERE leftover = 1 ORDER BY issuer LIMIT 1",
    forget_tokens: "DELETE FROM {p}_tokens WHERE digest IN (SELECT digest FROM {p}_tokens \
        WHERE forget_at < ?1 ORDER BY forget_at LIMIT ?2)",
    forget_sessions: "DELETE FROM {p}_sessions WHERE handle IN (SELECT handle FROM {p}_sessions \
        WHERE forget_at < ?1 ORDER BY forget_at LIMIT ?2)",
    forget_issuers: "DELETE FROM {p}_issuers WHERE leftover = 0 AND issuer IN \
        (SELECT issuer FROM {p}_issuers WHERE forget_at < ?1 ORDER BY forget_at LIMIT ?2)",
    // No version is negative.
    try_to_write: "UPDATE {p}_migrations SET version = version WHERE version < 0",
    version: "SELECT max(version) FROM {p}_migrations",
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn no_statement_reads_a_whole_table() {
        let schema = Schema::new("didt").expect("a name");
        let mut file = SqliteConnection::connect("sqlite::memory:").await.expect("a database");
        let tables = sqlx::raw_sql(AssertSqlSafe(schema.whole()));
        tables.execute(&mut file).await.expect("tables");
        for (name, statement) in Statements::new(&schema).all() {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.as_str()));
            let steps = sqlx::raw_sql(explain).fetch_all(&mut file).await.expect(name);
            for step in &steps {
                let step: String = step.get("detail");
                // The one index of so few rows that it is read from its beginning.
                let is_whole = step.starts_with("SCAN didt_") && !step.contains("_with_leftovers");
                assert!(!is_whole, "{name}: {step}");
                assert!(!step.contains("TEMP B-TREE"), "{name}: {step}");
            }
        }
    }
}
