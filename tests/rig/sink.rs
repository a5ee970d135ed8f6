//! A server for http jobs: it writes the ledger's lines for them and echoes the execution's id.

use super::ledger::Ledger;
use dkron::clock;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Listens and answers as long as the test process lives; its address.
pub(crate) fn start(ledger: Ledger) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let ledger = Arc::new(ledger);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let ledger = ledger.clone();
            std::thread::spawn(move || serve(stream, &ledger));
        }
    });
    address
}

/// One connection, which the client may keep for several requests.
fn serve(stream: TcpStream, ledger: &Ledger) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            let pair =
                line.trim().split_once(": ").map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()));
            headers.extend(pair);
        }
        let said = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        let length = said("content-length").parse().unwrap_or(0);
        reader.by_ref().take(length).read_to_end(&mut Vec::new()).ok()?;
        let names = [
            said("dkron-job"),
            said("dkron-scheduled-at"),
            said("dkron-execution-id"),
            said("dkron-attempt"),
        ];
        ledger.note("start", names, "");
        // Long enough to be cut by a kill now and then.
        std::thread::sleep(Duration::from_millis(40));
        ledger.note("end", names, " 0");
        let body = format!("{} {}", names[2], names[3]);
        write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).ok()?;
    }
}

impl Ledger {
    fn note(&self, kind: &str, [job, scheduled_at, execution, attempt]: [&str; 4], exit: &str) {
        let now = clock::wall().nanos();
        self.append(&format!("{kind} {job} {scheduled_at} {execution} {attempt} {now}{exit}\n"));
    }
}
