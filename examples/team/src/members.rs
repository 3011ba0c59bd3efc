//! The table of members. Its key is the issuer, the one thing that a sign-in proves.

use serde::{Deserialize, Serialize};
use sqlx::any::{AnyRow, install_default_drivers};
use sqlx::{AnyPool, Error, FromRow, Row};
use tower_didt::Issuer;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS members (
        issuer TEXT PRIMARY KEY,
        name   TEXT NOT NULL,
        role   TEXT NOT NULL
    )";

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Admin,
}

/// A member, as the table has it, and as it is attached to their session.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Member {
    pub name: String,
    pub role: Role,
}

/// `Guard::from(Role::Admin)` reads it from the session.
impl tower_didt::Role for Role {
    type User = Member;

    fn is_held_by(&self, member: &Member) -> bool {
        member.role == *self
    }
}

#[derive(Clone)]
pub struct Members {
    pool: AnyPool,
    administrator: Option<Issuer>,
}

impl Members {
    /// SQLite or PostgreSQL, as the URL says.
    pub async fn open(url: &str, administrator: Option<Issuer>) -> Result<Self, Error> {
        install_default_drivers();
        let pool = AnyPool::connect(url).await?;
        sqlx::query(SCHEMA).execute(&pool).await?;
        Ok(Self { pool, administrator })
    }

    /// The issuer's row, made at the first sign-in. One statement, so that of two sign-ins at the
    /// same time one makes the row and both find it. The settings' administrator is one even if the
    /// row was made before the settings said so.
    pub async fn sign_in(&self, issuer: Issuer) -> Result<Member, Error> {
        let role = if self.administrator == Some(issuer) { Role::Admin } else { Role::Member };
        let statement = "
            INSERT INTO members (issuer, name, role) VALUES ($1, 'somebody new', $2)
            ON CONFLICT (issuer) DO UPDATE
            SET role = CASE excluded.role WHEN 'admin' THEN 'admin' ELSE members.role END
            RETURNING name, role";
        sqlx::query_as(statement)
            .bind(issuer.to_string())
            .bind(role.as_str())
            .fetch_one(&self.pool)
            .await
    }

    pub async fn find(&self, issuer: Issuer) -> Result<Option<Member>, Error> {
        sqlx::query_as("SELECT name, role FROM members WHERE issuer = $1")
            .bind(issuer.to_string())
            .fetch_optional(&self.pool)
            .await
    }

    pub async fn rename(&self, issuer: Issuer, name: &str) -> Result<(), Error> {
        let statement = "UPDATE members SET name = $1 WHERE issuer = $2";
        sqlx::query(statement).bind(name).bind(issuer.to_string()).execute(&self.pool).await?;
        Ok(())
    }

    /// Returns `false` if there is no such member.
    pub async fn change_role(&self, issuer: Issuer, role: Role) -> Result<bool, Error> {
        let statement = "UPDATE members SET role = $1 WHERE issuer = $2";
        let query = sqlx::query(statement).bind(role.as_str()).bind(issuer.to_string());
        Ok(query.execute(&self.pool).await?.rows_affected() > 0)
    }
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl FromRow<'_, AnyRow> for Member {
    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let role: String = row.try_get("role")?;
        // What is no role gives no rights.
        let role = if role == Role::Admin.as_str() { Role::Admin } else { Role::Member };
        Ok(Self { name: row.try_get("name")?, role })
    }
}
