//! ```text
//! cargo run -p tower-didt-team
//! ```

use std::error::Error;
use std::process::ExitCode;

use tokio::net::TcpListener;

use team::settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = serve().await else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let (_, app) = team::open(&settings).await?;
    let listener = TcpListener::bind(&settings.listen).await?;
    println!("open http://localhost:{}", listener.local_addr()?.port());
    if settings.magic.is_none() {
        println!("a stand-in signs in place of Magic: anybody can be {}", team::stand_in::ADMIN);
    }
    if settings.administrator.is_none() {
        println!("ADMINISTRATOR is not set: sign in, and set it to the issuer below your name");
    }
    Ok(axum::serve(listener, app).await?)
}
