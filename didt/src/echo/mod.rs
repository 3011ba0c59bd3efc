//! `didt echo`: an upstream for tests, which answers with what it was sent.
//!
//! ```text
//! connection ─ recorder ─► hyper ─► answer
//!                 └─ head as received ─┘
//! ```

mod answer;
mod recorder;
mod server;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::output::say;

/// TEST SERVER, not for production: answer every request with a description of it, as JSON
///
/// It stands in for the service behind a gateway, so that `didt doctor` and you can see what
/// a request looks like after the gateway. Anyone who reaches it is shown everything that was
/// sent, credentials included: let it listen on this machine only.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Echo {
    /// Where to listen; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

const HELP: &str = r#"Output:
  {"request":1,"method":"GET","target":"/a?b","version":"HTTP/1.1",
   "headers":[["Host","127.0.0.1:8000"]],"body_bytes":0}
  target and headers are shown as received, byte by byte: order, case and duplicates
  are kept, and a byte that is not ASCII is shown as a Latin-1 character. request counts all
  answers since the start. Every answer has X-Didt-Echo: 1 and Cache-Control: no-store, but
  with ?cache=SECONDS in the target Cache-Control: public, max-age=SECONDS, for the caches of
  gateways. A handshake for a WebSocket with Sec-WebSocket-Protocol: echo is answered with 101,
  after which every byte comes back.
  HTTP/1 only, one request per connection.

Examples:
  didt echo --listen 127.0.0.1:8000

Exit codes:
  0  stopped by SIGTERM or Ctrl-C
  1  the address cannot be bound
  2  the command line is wrong"#;

impl Echo {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind(self.listen).await?;
            // Before the line: whoever has read it may tell us to stop.
            let stopped = server::stopped()?;
            say(format_args!("echo listens on http://{}", listener.local_addr()?));
            server::serve(listener, stopped).await;
            Ok(ExitCode::SUCCESS)
        })
    }
}
