//! What stores cost as sessions grow: a worker for the script `run` beside it.
//!
//! ```text
//! bench-growth PART NUMBER
//! ```
//!
//! Prints lines of fields behind tabs: `times STORE NUMBER WHAT P50 P99 MOST` in microseconds, and
//! `value STORE NUMBER WHAT VALUE`.

mod figures;
mod filled;
mod memory;
mod postgres;
mod redis;
mod steps;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let count: u64 = arguments.next().and_then(|count| count.parse().ok()).expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    match part.as_str() {
        "memory" => memory::growth(count),
        "memory-storm" => memory::storm(count),
        "memory-crowd" => memory::crowd(count),
        "memory-revoked" => memory::revoked(count),
        "redis" => runtime.block_on(redis::growth(count)),
        "redis-storm" => runtime.block_on(redis::storm(count, 10)),
        "redis-storm-often" => runtime.block_on(redis::storm(count, 100)),
        "redis-crowd" => runtime.block_on(redis::crowd(count)),
        "redis-revoked" => runtime.block_on(redis::revoked(count)),
        "postgres" => runtime.block_on(postgres::growth(count)),
        "postgres-storm" => runtime.block_on(postgres::storm(count)),
        "postgres-snapshot" => runtime.block_on(postgres::storm_beside_a_snapshot(count)),
        "postgres-crowd" => runtime.block_on(postgres::crowd(count)),
        "postgres-revoked" => runtime.block_on(postgres::revoked(count)),
        other => panic!("no part {other:?}"),
    }
}
