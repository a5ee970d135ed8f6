//! Starts the real binary on loopback, talks to it over HTTP, kills it, and leaves nothing behind.

use dkron::clock::monotonic;
use reqwest::{Client, Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, its data and its ledger.
pub(super) struct Node {
    folder: tempfile::TempDir,
    http: u16,
    rpc: u16,
    child: Option<Child>,
    client: Client,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Node {
    /// A node that is ready.
    pub(super) async fn start() -> Node {
        let mut node = Node::prepare();
        node.spawn();
        node.ready().await;
        node
    }

    /// A node that was never started.
    pub(super) fn prepare() -> Node {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("ledger")).expect("a folder");
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        Node { folder, http: free_port(), rpc: free_port(), child: None, client }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where jobs write what they did.
    pub(super) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger/node.txt")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon; it need not come up.
    pub(super) fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_dkron"))
            .args(["agent", "--dev", "--node-name", "node1", "--data-dir"])
            .arg(self.data())
            .args(["--http-addr", &format!("127.0.0.1:{}", self.http), "--rpc-port", &self.rpc.to_string()])
            .env("LEDGER_FILE", self.ledger())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
    }

    /// Waits until it takes writes.
    pub(super) async fn ready(&mut self) {
        let end = monotonic() + PATIENCE;
        loop {
            let answer = self.client.get(self.url("/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("it is our child"));
            assert!(ended.is_none(), "the node ended with {ended:?}: {}", self.log());
            assert!(monotonic() < end, "the node is not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, path, &[], body.into()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = self.client.request(method, self.url(path)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.expect("a text") }
    }

    /// Restores a backup.
    pub(super) async fn restore(&self, backup: &[u8]) -> Answer {
        let mut body =
            b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n".to_vec();
        body.extend_from_slice(backup);
        body.extend_from_slice(b"\r\n--x--\r\n");
        self.send(Method::POST, "/v1/restore", &[("content-type", "multipart/form-data; boundary=x")], body)
            .await
    }

    /// Asks until the answer satisfies.
    pub(super) async fn until(&self, path: &str, good: impl Fn(&Answer) -> bool) -> Answer {
        let end = monotonic() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if good(&answer) {
                return answer;
            }
            assert!(monotonic() < end, "{path} never satisfied: {answer:?} {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a job has so many finished executions; they, newest first.
    pub(super) async fn executions(&self, job: &str, count: usize) -> Vec<Value> {
        let finished = |answer: &Answer| -> Vec<Value> {
            let all = answer.json().as_array().cloned().unwrap_or_default();
            all.into_iter().filter(|one| one["finished_at"] != "0001-01-01T00:00:00Z").collect()
        };
        let path = format!("/v1/jobs/{job}/executions");
        finished(&self.until(&path, |answer| finished(answer).len() >= count).await)
    }

    /// kill -9 of the daemon; the supervisor and the jobs live on.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
        }
    }

    /// Asks the daemon to stop, and waits.
    pub(super) fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        kill_process(pid(child.id()), Signal::TERM).expect("it is our child");
        let end = monotonic() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(monotonic() < end, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a daemon that ends by itself.
    pub(super) fn wait(&mut self) -> ExitStatus {
        self.child.take().expect("it runs").wait().expect("it is our child")
    }

    /// Runs another command of the binary.
    pub(super) fn command(&self, words: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dkron"));
        command.args(words).output().expect("the binary starts")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        for id in supervisors_of(&self.data()) {
            kill_process(pid(id), Signal::KILL).ok();
        }
        if std::thread::panicking() {
            let kept = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder")).keep();
            eprintln!("the evidence is kept in {}", kept.display());
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed()).expect("no process has the id 0")
}

/// The processes that supervise for this data directory.
pub(super) fn supervisors_of(data: &Path) -> Vec<u32> {
    let words = |id: u32| fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let data = data.to_string_lossy().into_owned();
    let supervises = |id: &u32| {
        let line = String::from_utf8_lossy(&words(*id)).replace('\0', " ");
        line.contains(" supervise ") && line.contains(&data)
    };
    let processes = fs::read_dir("/proc").expect("there is a /proc");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(supervises).collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
