//! The table. Its key is the issuer: the one identity that a token proves.

use std::path::Path;

use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow};
use sqlx::{FromRow, Row, SqlitePool};
use tower_didt::Issuer;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS users (
        id            INTEGER PRIMARY KEY,
        issuer        TEXT    NOT NULL UNIQUE,
        name          TEXT    NOT NULL DEFAULT '',
        banned        INTEGER NOT NULL DEFAULT FALSE,
        last_sign_in  INTEGER NOT NULL DEFAULT (unixepoch())
    ) STRICT";

#[derive(Clone)]
pub struct Users(SqlitePool);

#[derive(Serialize)]
pub struct User {
    pub id: i64,
    pub name: String,
    #[serde(skip)]
    pub banned: bool,
}

impl Users {
    pub async fn open(file: impl AsRef<Path>) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::query(SCHEMA).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// The issuer's user, made at the first sign-in. One statement, so that of two
    /// sign-ins at the same time one makes the row and both find it.
    pub async fn sign_in(&self, issuer: Issuer) -> Result<User, sqlx::Error> {
        let statement = "
            INSERT INTO users (issuer) VALUES (?)
            ON CONFLICT (issuer) DO UPDATE SET last_sign_in = unixepoch()
            RETURNING id, name, banned";
        sqlx::query_as(statement).bind(issuer.to_string()).fetch_one(&self.0).await
    }

    pub async fn find(&self, issuer: Issuer) -> Result<Option<User>, sqlx::Error> {
        let statement = "SELECT id, name, banned FROM users WHERE issuer = ?";
        sqlx::query_as(statement).bind(issuer.to_string()).fetch_optional(&self.0).await
    }

    pub async fn rename(&self, user: &User, name: &str) -> Result<(), sqlx::Error> {
        let statement = "UPDATE users SET name = ? WHERE id = ?";
        sqlx::query(statement).bind(name).bind(user.id).execute(&self.0).await?;
        Ok(())
    }

    /// Returns `false` if the user does not exist.
    pub async fn ban(&self, issuer: Issuer) -> Result<bool, sqlx::Error> {
        let statement = "UPDATE users SET banned = TRUE WHERE issuer = ?";
        let done = sqlx::query(statement).bind(issuer.to_string()).execute(&self.0).await?;
        Ok(done.rows_affected() > 0)
    }
}

impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            banned: row.try_get("banned")?,
        })
    }
}
