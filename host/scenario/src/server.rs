//! A small HTTP server for scenarios of plugins that send requests: fixed answers by method and path.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::scenario::Answer;

/// Largest request, in bytes: more is cut off.
const MAX_REQUEST: usize = 1 << 20;

/// A server on a port of its own, which ends with this.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Begins to answer.
    pub(crate) async fn start(answers: BTreeMap<String, Answer>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answers = Arc::new(answers);
        let accepting = tokio::spawn(async move {
            // One connection after the other: a plugin under test has few.
            while let Ok((stream, _)) = listener.accept().await {
                // A client that hangs up is none of the scenario's business.
                let _ = serve(stream, &answers).await;
            }
        });
        Ok(Self { address, accepting })
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and returns when it has.
    pub(crate) async fn end(self) {
        self.accepting.abort();
        // It ended because it was told to.
        let _ = self.accepting.await;
    }
}

async fn serve(mut stream: TcpStream, answers: &BTreeMap<String, Answer>) -> io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) && request.len() < MAX_REQUEST {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.split(' ');
    let asked = format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let missing = Answer { status: 404, body: format!("the scenario's server has no answer to {asked}") };
    let Answer { status, body } = answers.get(&asked).unwrap_or(&missing);
    let head = format!("HTTP/1.1 {status} Scenario\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Whether head and body are there.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    end + 4 + length.unwrap_or(0) <= request.len()
}
