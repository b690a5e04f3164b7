//! A collector of a kind, for tests: it takes whatever is sent and understands nothing.

use std::io::{Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// Listens on loopback. Gives its address, and each request as it came, head and body, before it is answered with 200.
///
/// # Errors
/// There is no port to be had.
pub fn collector() -> Result<(String, Receiver<Vec<u8>>), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let (send, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Ok(request) = read(&mut stream) else { continue };
            // Told before it is answered: whoever has the answer finds it here.
            if send.send(request).is_err() {
                break;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    Ok((address, received))
}

fn read(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut part)?;
        request.extend(&part[..n]);
        if n == 0 || is_whole(&request) {
            return Ok(request);
        }
    }
}

/// Its body has the length that its head announces.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
