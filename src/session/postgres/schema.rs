//! The tables and functions in PostgreSQL, in versions.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::session::sql::is_name;

/// What each version adds to the one before.
const VERSIONS: &[&str] = &[include_str!("schema/1.sql")];

/// The version that this crate needs.
pub(super) const NEWEST: i32 = VERSIONS.len() as i32;

/// The schema of one application.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    name: Box<str>,
}

impl Schema {
    /// A schema, if its name [is one](is_name).
    pub(super) fn new(name: &str) -> Option<Self> {
        is_name(name).then(|| Self { name: name.into() })
    }

    /// The name, in quotes.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.name)
    }

    /// On which changes are told.
    pub(super) fn channel(&self) -> String {
        format!("{}_changes", self.name)
    }

    /// A call of one of the functions, with so many arguments.
    pub(super) fn call(&self, function: &str, arguments: usize) -> SqlStr {
        let places: Vec<_> = (1..=arguments).map(|number| format!("${number}")).collect();
        let sql = format!("SELECT * FROM {}.{function}({})", self.quoted(), places.join(", "));
        AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str()
    }

    /// What makes the schema and notes its version, to be run once.
    pub(super) fn beginning(&self) -> String {
        format!(
            "CREATE SCHEMA IF NOT EXISTS {0};\n\
             CREATE TABLE IF NOT EXISTS {0}.migrations (\n    \
                 version integer PRIMARY KEY,\n    \
                 applied_at timestamptz NOT NULL DEFAULT now()\n\
             );\n",
            self.quoted()
        )
    }

    /// Whether the table of versions exists.
    pub(super) fn has_versions(&self) -> String {
        format!("SELECT to_regclass('{}.migrations') IS NOT NULL", self.quoted())
    }

    /// The version that is there, or null.
    pub(super) fn version(&self) -> String {
        format!("SELECT max(version) FROM {}.migrations", self.quoted())
    }

    /// What brings the schema from a version to the newest, step by step.
    pub(super) fn steps_after(&self, version: i32) -> impl Iterator<Item = String> {
        let done = usize::try_from(version).unwrap_or(0);
        VERSIONS.iter().enumerate().skip(done).map(|(number, sql)| {
            let sql = sql
                .replace("{schema}", &self.quoted())
                .replace("{channel}", &format!("'{}'", self.channel()));
            let quoted = self.quoted();
            let version = number + 1;
            format!("{sql}INSERT INTO {quoted}.migrations (version) VALUES ({version});\n")
        })
    }

    /// Everything as one file.
    pub(super) fn whole(&self) -> String {
        let steps: String = self.steps_after(0).map(|step| format!("\n{step}")).collect();
        format!("BEGIN;\n{}{steps}COMMIT;\n", self.beginning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_remains_and_every_name_is_in_the_schema() {
        let sql = Schema::new("shop").expect("a name").whole();
        assert!(!sql.contains('{') && !sql.contains('}'), "{sql}");
        let created = |line: &&str| {
            ["CREATE TABLE", "CREATE FUNCTION"].iter().any(|begin| line.starts_with(begin))
        };
        let lines: Vec<_> = sql.lines().filter(created).collect();
        assert!(lines.len() > 10, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("\"shop\".")), "{lines:?}");
    }
}
