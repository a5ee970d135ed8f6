//! Processors through a whole node: jobs are stored, run and looked at over HTTP.

use dkron::clock;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lone server, its data directory and its standard output.
struct Node {
    daemon: Child,
    port: u16,
    data: TempDir,
}

impl Node {
    fn start() -> Node {
        let data = tempfile::tempdir().expect("temporary folder");
        let (port, calls, bind) = (free_port(), free_port(), free_port());
        let stream = |name: &str| fs::File::create(data.path().join(name)).expect("a file");
        let daemon = Command::new(env!("CARGO_BIN_EXE_dkron"))
            .args(["agent", "--server", "--bootstrap-expect=1", "--node-name=node+1"])
            .args(["--data-dir".as_ref(), data.path().join("data").as_os_str()])
            .args([format!("--http-addr=127.0.0.1:{port}"), format!("--rpc-port={calls}")])
            .arg(format!("--bind-addr=127.0.0.1:{bind}"))
            .stdin(Stdio::null())
            .stdout(stream("out"))
            .stderr(stream("err"))
            .spawn()
            .expect("the daemon starts");
        let node = Node { daemon, port, data };
        node.eventually("the node leads", |node| node.ask("GET", "/v1/leader", "").contains("node"));
        node
    }

    /// The answer to a request; empty if there is none.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return String::new() };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut answer = String::new();
        if stream.write_all(request.as_bytes()).is_ok() {
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }

    fn eventually(&self, what: &str, holds: impl Fn(&Node) -> bool) {
        let begun = clock::monotonic();
        while !holds(self) {
            if clock::monotonic().duration_since(begun) > PATIENCE {
                let said = fs::read_to_string(self.data.path().join("err")).unwrap_or_default();
                let out = fs::read_to_string(self.data.path().join("out")).unwrap_or_default();
                panic!("in vain: {what}\n{out}\n{said}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stores a job with these processors, runs it, and waits for an execution with this output.
    fn expect(&self, job: &str, command: &str, processors: &str, output: &str) {
        let body = format!(
            r#"{{"name":"{job}","schedule":"@manually","executor":"shell","executor_config":{{"shell":"true","command":"{command}"}},"processors":{processors}}}"#
        );
        let stored = self.ask("POST", "/v1/jobs", &body);
        assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
        self.eventually("a node for the run", |node| {
            node.ask("POST", &format!("/v1/jobs/{job}"), "").starts_with("HTTP/1.1 20")
        });
        let wanted = format!(r#""output":"{output}"#);
        self.eventually(&format!("{job}: {output}"), |node| {
            node.ask("GET", &format!("/v1/jobs/{job}/executions"), "").contains(&wanted)
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let own = self.data.path().join("data");
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("\0supervise\0") && Path::new(line.rsplit('\0').nth(1).unwrap_or("")) == own {
                let number = entry.file_name();
                let _ = Command::new("kill").arg("-9").arg(number).status();
            }
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn outputs_go_where_the_processors_say_and_their_texts_take_the_place() {
    let node = Node::start();
    let folder = node.data.path().join("logs");
    fs::create_dir(&folder).expect("a folder");
    let place = folder.display();

    let files = format!(r#"{{"files":{{"log_dir":"{place}"}}}}"#);
    node.expect("files", "head -c 100000 /dev/zero | tr '\\\\0' x; echo end", &files, &place.to_string());
    let written: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().collect();
    let name = written[0].file_name().into_string().expect("a name");
    assert!(written.len() == 1 && name.ends_with("-node_1.log"), "{name}");
    let text = fs::read_to_string(written[0].path()).expect("the output");
    assert!(text.len() == 100_004 && text.ends_with("xend\n"), "the whole output, not its tail");

    node.expect("log", "echo to the log", r#"{"log":{}}"#, "Output in dkron log");
    let out = fs::read_to_string(node.data.path().join("out")).expect("the daemon's output");
    let block = out.split("----- BEGIN OUTPUT job=log execution=").nth(1).expect("a block");
    assert!(block.contains("-----\nto the log\n----- END OUTPUT -----\n"), "{block}");

    node.expect("failing", "echo it failed; exit 1", r#"{"log":{"forward":"true"}}"#, "it failed");
    // What a running job writes is shown before its processors have it.
    node.eventually("the block on standard error", |node| {
        let err = fs::read_to_string(node.data.path().join("err")).unwrap_or_default();
        err.contains("-----\nit failed\n----- END OUTPUT -----\n")
    });

    let broken = r#"{"files":{"log_dir":"/no/such/folder"},"nosuch":{"forward":"maybe"}}"#;
    node.expect("broken", "echo kept", broken, "kept");
}
