//! What we are measured against over HTTP: the same four answers by axum and sqlx, with the tenant set in
//! a transaction and row-level security in the database, as a careful team would write it by hand.
//!
//! `native-server DATABASE_URL ADDRESS SESSIONS`. Not part of the product.

#![expect(clippy::expect_used, reason = "a benchmark that cannot start should say so and stop")]

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{FromRow, PgPool, Postgres, Transaction};
use uuid::Uuid;

#[derive(Serialize, FromRow)]
struct Client {
    id: i64,
    first_name: String,
    last_name: Option<String>,
    phone: Option<String>,
    status: String,
}

type Answer<T> = Result<Json<T>, StatusCode>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, address, sessions] = arguments.as_slice() else {
        eprintln!("usage: native-server DATABASE_URL ADDRESS SESSIONS");
        std::process::exit(2);
    };
    let options: PgConnectOptions = url.parse().expect("a PostgreSQL URL");
    let pool = PgPoolOptions::new()
        .max_connections(sessions.parse().expect("a number of sessions"))
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .expect("the database");
    let router = Router::new()
        .route("/hello", post(hello))
        .route("/{tenant}/client1", post(client1))
        .route("/{tenant}/clients100", post(clients100))
        .route("/{tenant}/insert", post(insert))
        .route("/health/ready", get(hello))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(address).await.expect("the address");
    axum::serve(listener, router).await.expect("serving");
}

async fn hello() -> Json<&'static str> {
    Json("hello")
}

async fn begin(pool: &PgPool, tenant: Uuid) -> Result<Transaction<'static, Postgres>, StatusCode> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    sqlx::query("SELECT set_config('applet.tenant', $1, true)")
        .bind(tenant.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    Ok(transaction)
}

async fn client1(State(pool): State<PgPool>, Path(tenant): Path<Uuid>) -> Answer<Option<Client>> {
    let mut transaction = begin(&pool, tenant).await?;
    let client = sqlx::query_as(
        "SELECT id, first_name, last_name, phone, status FROM clients WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(500_i64)
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Json(client))
}

async fn clients100(State(pool): State<PgPool>, Path(tenant): Path<Uuid>) -> Answer<Vec<Client>> {
    let mut transaction = begin(&pool, tenant).await?;
    let clients = sqlx::query_as(
        "SELECT id, first_name, last_name, phone, status FROM clients WHERE tenant_id = $1 ORDER BY id LIMIT 100",
    )
    .bind(tenant)
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Json(clients))
}

async fn insert(State(pool): State<PgPool>, Path(tenant): Path<Uuid>) -> Answer<i64> {
    let mut transaction = begin(&pool, tenant).await?;
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO clients (tenant_id, first_name, last_name, phone) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(tenant)
    .bind("Ada")
    .bind("Lovelace")
    .bind("+44 20 7946 0000")
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed)?;
    sqlx::query("INSERT INTO native_audit (tenant_id, operation, table_name, row_id) VALUES ($1, 'insert', 'clients', $2)")
        .bind(tenant)
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Json(id))
}

fn failed(error: sqlx::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
