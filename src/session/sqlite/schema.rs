//! The tables in SQLite, in versions.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::session::sql::is_name;

/// What each version adds to the one before.
const VERSIONS: &[&str] = &[include_str!("schema/1.sql")];

/// The version that this crate needs.
pub(super) const NEWEST: i64 = VERSIONS.len() as i64;

/// The tables of one application.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    prefix: Box<str>,
}

impl Schema {
    /// Tables with this prefix, if it [is a name](is_name).
    pub(super) fn new(prefix: &str) -> Option<Self> {
        is_name(prefix).then(|| Self { prefix: prefix.into() })
    }

    /// A statement about these tables, in which `{p}` stands for their prefix.
    pub(super) fn statement(&self, sql: &str) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(sql.replace("{p}", &self.prefix))).into_sql_str()
    }

    /// What notes versions, to be run once.
    pub(super) fn beginning(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {}_migrations (\n    \
                 version integer PRIMARY KEY,\n    \
                 applied_at text NOT NULL DEFAULT CURRENT_TIMESTAMP\n\
             ) STRICT;\n",
            self.prefix
        )
    }

    /// The version that is there, or null.
    pub(super) fn version(&self) -> SqlStr {
        self.statement("SELECT max(version) FROM {p}_migrations")
    }

    /// What brings the tables from a version to the newest, step by step.
    pub(super) fn steps_after(&self, version: i64) -> impl Iterator<Item = String> {
        let done = usize::try_from(version).unwrap_or(0);
        VERSIONS.iter().enumerate().skip(done).map(|(number, sql)| {
            let (sql, version) = (sql.replace("{prefix}", &self.prefix), number + 1);
            format!("{sql}INSERT INTO {}_migrations (version) VALUES ({version});\n", self.prefix)
        })
    }

    /// Everything as one file.
    pub(super) fn whole(&self) -> String {
        let steps: String = self.steps_after(0).map(|step| format!("\n{step}")).collect();
        format!("BEGIN IMMEDIATE;\n{}{steps}COMMIT;\n", self.beginning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_remains_and_every_name_has_the_prefix() {
        let sql = Schema::new("shop").expect("a name").whole();
        assert!(!sql.contains('{') && !sql.contains('}'), "{sql}");
        let lines: Vec<_> = sql.lines().filter(|line| line.starts_with("CREATE")).collect();
        assert!(lines.len() > 7, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(" shop_")), "{lines:?}");
    }
}
