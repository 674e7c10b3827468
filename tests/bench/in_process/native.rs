//! The same by hand: sqlx, prepared statements, one session, as careful as a team would be.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection};
use uuid::Uuid;

use crate::setup::TENANT;

#[derive(FromRow, Serialize)]
pub(crate) struct Client {
    id: i64,
    first_name: String,
    last_name: Option<String>,
    phone: Option<String>,
    status: String,
}

/// Row security binds the session; which tenant it is for was set when it was opened.
pub(crate) async fn one_row(session: &mut PgConnection, tenant: Uuid) -> Client {
    sqlx::query_as(
        "SELECT id, first_name, last_name, phone, status FROM clients WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(500_i64)
    .fetch_one(session)
    .await
    .unwrap()
}

pub(crate) async fn hundred_rows(session: &mut PgConnection, tenant: Uuid) -> Vec<Client> {
    let sql = "SELECT id, first_name, last_name, phone, status FROM clients WHERE tenant_id = $1 ORDER BY id LIMIT 100";
    sqlx::query_as(sql).bind(tenant).fetch_all(session).await.unwrap()
}

pub(crate) async fn insert(session: &mut PgConnection, tenant: Uuid) {
    let mut transaction = session.begin().await.unwrap();
    let sql =
        "INSERT INTO clients (tenant_id, first_name, last_name, phone) VALUES ($1, $2, $3, $4) RETURNING id";
    let (id,): (i64,) = sqlx::query_as(sql)
        .bind(tenant)
        .bind("Ada")
        .bind("Lovelace")
        .bind("+44 20 7946 0000")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let sql = "INSERT INTO native_audit (tenant_id, operation, table_name, row_id) VALUES ($1, 'insert', 'clients', $2)";
    sqlx::query(sql).bind(tenant).bind(id).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The tenant is set once for the session, which is less than any server of many tenants can do.
pub(crate) async fn connect(url: &str) -> PgConnection {
    let mut session = applet_tests::connect(url).await;
    let sql = format!("SET applet.tenant = '{TENANT}'");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    session
}
