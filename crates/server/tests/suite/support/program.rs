//! The built binary in a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::exchange::Request;

/// Longer than anything here takes on a busy machine; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program as one test runs it: an empty working directory, and no environment but what the test sets.
#[derive(Debug)]
pub(crate) struct Program {
    directory: TempDir,
    environment: Vec<(String, String)>,
    /// The soft and the hard limit of open files; those of the test where it sets none.
    open_files: Option<(u32, u32)>,
}

/// What a command that ended said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        // The tests run side by side; those of the metrics take a port of their own.
        let off = ("CONNECTORS_METRICS_LISTEN".to_owned(), "off".to_owned());
        Self { directory: TempDir::new().expect("a directory"), environment: vec![off], open_files: None }
    }

    /// Sets an environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves an environment variable out that is set for all tests.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self
    }

    /// Lets it have so many open files, and raise that to so many.
    pub(crate) fn with_open_files(mut self, soft: u32, hard: u32) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file into the working directory.
    pub(crate) fn with_file(self, name: &str, text: &str) -> Self {
        let path: PathBuf = self.directory().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, text).expect("the file is written");
        self
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut child = self.spawn(arguments, Stdio::piped());
        let stdout = read_whole(child.stdout.take().expect("a pipe"));
        let stderr = read_whole(child.stderr.take().expect("a pipe"));
        let Ok(stdout) = stdout.recv_timeout(PATIENCE) else {
            child.kill().expect("the program is killed");
            panic!("{arguments:?} does not end; it says {:?}", stderr.recv());
        };
        let status = child.wait().expect("the program is waited for");
        Ended { code: status.code(), stdout, stderr: stderr.recv().expect("what it said") }
    }

    /// Runs a command that must succeed; answers its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Starts a command that serves, on a port of the system's choice, and waits until it listens.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--listen", "127.0.0.1:0"]);
        let mut child = self.spawn(&arguments, Stdio::null());
        let lines = read_lines(child.stderr.take().expect("a pipe"));
        let mut running = Running { child, lines, log: Vec::new(), address: ([127, 0, 0, 1], 0).into() };
        let line = running.wait_for_line("listening on http://");
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        running.address = line["address"].as_str().expect("an address").parse().expect("an address");
        running
    }

    /// Starts the demo, whose log is here what it shows on standard output, and waits until it says where it listens.
    pub(crate) fn start_demo(&self) -> Running {
        let mut child = self.spawn(&["demo", "--listen", "127.0.0.1:0"], Stdio::piped());
        let lines = read_lines(child.stdout.take().expect("a pipe"));
        // Nobody asks for it, but a full pipe would hold the program up.
        drop(read_lines(child.stderr.take().expect("a pipe")));
        let mut running = Running { child, lines, log: Vec::new(), address: ([127, 0, 0, 1], 0).into() };
        let line = running.wait_for_line("the service listens at http://");
        let (_, address) = line.split_once("http://").expect("an address");
        running.address = address.parse().expect("an address");
        running
    }

    fn spawn(&self, arguments: &[&str], stdout: Stdio) -> Child {
        let binary = env!("CARGO_BIN_EXE_connectors");
        let mut command = match self.open_files {
            None => Command::new(binary),
            Some((soft, hard)) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$0\" \"$@\""), binary]);
                shell
            }
        };
        command
            .args(arguments)
            .current_dir(self.directory())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }
}

/// A program that serves. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// A request to it.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target)
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("/bin/sh").args(["-c", &kill]).status().expect("a shell");
        assert!(sent.success(), "{kill}");
    }

    /// Waits for the next line of its log that contains `text`.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line says {text:?}: {:#?}", self.log),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {text:?}: {:#?}", self.log),
            }
        }
    }

    /// Waits until it ends by itself; answers how, and its whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.log),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait().expect("it is waited for");
        (status, std::mem::take(&mut self.log))
    }

    /// Ends it as a person at a terminal does; answers its whole log.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal("INT");
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_whole(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("text");
        let _ = sender.send(text);
    });
    receiver
}

fn read_lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // A test that no longer listens still has to let the program write.
            let _ = sender.send(line);
        }
    });
    receiver
}
