use axum::Router;
use axum::routing::{get, post};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/me", get(me)).route("/sign-in", post(me));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await
}

async fn me() -> String {
    "somebody".into()
}
