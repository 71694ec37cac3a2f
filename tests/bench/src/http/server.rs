//! A server that takes whatever it is sent.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// It answers as long as the process runs.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    bodies: Arc<AtomicU64>,
}

impl Server {
    /// Starts it on a port of the system's choice.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let bodies = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // An error is the end of a connection, as any other is.
                thread::spawn(move || serve(&stream, &counted));
            }
        });
        Self { address, bodies }
    }

    /// Requests that have been answered so far.
    pub fn bodies(&self) -> u64 {
        self.bodies.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, counted: &AtomicU64) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut line, mut answering) = (String::new(), stream);
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        counted.fetch_add(1, Ordering::Relaxed);
        answering.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}
