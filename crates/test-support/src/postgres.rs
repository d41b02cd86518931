//! A PostgreSQL of one test, which may stop it and crash it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The directory of the server's programs.
const PROGRAMS: &str = "TEST_POSTGRES_PROGRAMS";

/// PostgreSQL cannot be told to take any free port. These are outside the range of the system's own picks.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Longer than a start takes on a busy machine, the recovery after a crash included.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is looked whether a process has come or gone.
const PAUSE: Duration = Duration::from_millis(20);

/// A server that waits for the disk at every commit, as in production. It ends when this is dropped, and also when the
/// thread that started it does.
pub struct PostgresServer {
    home: TempDir,
    port: u16,
    postmaster: Option<Child>,
}

impl PostgresServer {
    /// Starts a server on an empty directory.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let home = TempDir::new().expect("a temporary directory");
        if is_root() {
            let (user, group) = unprivileged();
            chown(home.path(), Some(user), Some(group)).expect("root may give it away");
        }
        let mut server = Self { home, port: 0, postmaster: None };
        let data = server.data();
        let arguments = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
        let status = as_server("initdb").arg("--pgdata").arg(data).args(arguments).stdout(Stdio::null()).status();
        assert!(status.expect("initdb can be run").success(), "initdb fails");
        server.port = server.start_on_a_free_port();
        server
    }

    /// The URL of a database for maintenance, as a superuser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as an operator does who is in a hurry: connections are cut off.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        let mut postmaster = self.postmaster.take().expect("a running server");
        signal("INT", &[postmaster.id()]);
        postmaster.wait().expect("it is waited for");
    }

    /// SIGKILL to all of its processes.
    ///
    /// # Panics
    /// When they do not go.
    pub fn crash(&mut self) {
        let mut postmaster = self.postmaster.take().expect("a running server");
        // It starts no process after its children were counted.
        signal("STOP", &[postmaster.id()]);
        let mut processes = children(postmaster.id());
        processes.push(postmaster.id());
        signal("KILL", &processes);
        postmaster.wait().expect("it is waited for");
        let since = Instant::now();
        while processes.iter().any(|process| is_alive(*process)) {
            assert!(since.elapsed() < PATIENCE, "a process outlives SIGKILL");
            thread::sleep(PAUSE);
        }
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.postmaster.is_none(), "it runs");
        assert!(self.starts_on(self.port), "{}", self.log());
    }

    /// Runs it where those who know its URL do not find it, and stops it again; `work` gets the URL.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn aside(&mut self, work: impl AsyncFnOnce(&str)) {
        let usual = self.port;
        self.port = self.start_on_a_free_port();
        work(&self.url()).await;
        self.stop();
        self.port = usual;
    }

    fn start_on_a_free_port(&mut self) -> u16 {
        let width = u64::from(PORTS.end - PORTS.start);
        for _ in 0..20 {
            let port = PORTS.start + u16::try_from(rand::random::<u64>() % width).expect("a port");
            if self.starts_on(port) {
                return port;
            }
        }
        panic!("{}", self.log());
    }

    fn starts_on(&mut self, port: u16) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.home.path().join("log")).expect("a log");
        let mut command = as_server("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.home.path().display()));
        for setting in ["listen_addresses=127.0.0.1", "max_connections=100", "shared_buffers=16MB"] {
            command.args(["-c", setting]);
        }
        let mut postmaster = command.stdout(Stdio::null()).stderr(log).spawn().expect("the server can be run");
        let since = Instant::now();
        while postmaster.try_wait().expect("a child").is_none() {
            assert!(since.elapsed() < PATIENCE, "{}", self.log());
            if self.says_ready(postmaster.id()) {
                self.postmaster = Some(postmaster);
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    /// One that crashed leaves its file behind, which then says whose it was.
    fn says_ready(&self, postmaster: u32) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        lines.next() == Some(&postmaster.to_string()) && lines.nth(6).is_some_and(|status| status.starts_with("ready"))
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            // At once; nothing is to be kept.
            signal("QUIT", &[postmaster.id()]);
            let _ended = postmaster.wait();
        }
    }
}

/// What `pg_dump` writes about the database at this URL.
pub(crate) fn dump(url: &str) -> Vec<u8> {
    let dumped = Command::new(Path::new(&programs()).join("pg_dump")).arg(format!("--dbname={url}")).output();
    let dumped = dumped.expect("pg_dump can be run");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    dumped.stdout
}

/// One of the server's programs. PostgreSQL refuses to run as root.
fn as_server(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]).stdin(Stdio::null()).current_dir("/");
    if is_root() {
        let (user, group) = unprivileged();
        let (user, group) = (user.to_string(), group.to_string());
        command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
    }
    command.arg(Path::new(&programs()).join(program));
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("this process").uid() == 0
}

/// The numbers of the user who runs servers, or else of one who may do nothing.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("the users of this machine");
    let find = |name: &str| {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).expect("a user other than root")
}

fn signal(name: &str, processes: &[u32]) {
    let processes: Vec<String> = processes.iter().map(ToString::to_string).collect();
    // One of them may have ended by itself.
    let _sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", processes.join(" "))]).status();
}

/// The state and the parent of a process; `None` when it is gone.
fn state(process: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("the processes").filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| state(*process).is_some_and(|(_, of)| of == parent)).collect()
}

fn is_alive(process: u32) -> bool {
    state(process).is_some_and(|(state, _)| state != "Z")
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn programs() -> String {
    std::env::var(PROGRAMS).unwrap_or_else(|_| panic!("{PROGRAMS} is not set; run the tests with `bash .ci/test`"))
}
