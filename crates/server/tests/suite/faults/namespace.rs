//! A network that holds nothing but loopback. What a broken guard lets through reaches nobody: every address that
//! exists is this machine's own there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use super::names;

/// Set in the process that is isolated already.
const INSIDE: &str = "FAULTS_INSIDE_NAMESPACE";

/// `$1` becomes the configuration of the resolver; the rest is the command. A namespace of mounts is private to it.
const PREPARE: &str = "
    set -e
    ip link set lo up
    ip route add local 0.0.0.0/0 dev lo
    ip -6 route add local ::/0 dev lo
    mount --bind \"$1\" /etc/resolv.conf
    shift
    exec \"$@\"
";

/// Runs the body of `test` in a namespace of its own, by running that one test of this binary again in there.
pub(crate) fn isolated<T>(test: &T, body: impl Future<Output = ()>) {
    isolated_with(test, &[], body);
}

/// The same, with these variables in the environment of the process inside.
pub(crate) fn isolated_with<T>(test: &T, variables: &[(&str, &str)], body: impl Future<Output = ()>) {
    if is_inside() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(body);
    }
    let path = std::any::type_name_of_val(test);
    let (_, name) = path.split_once("::").expect("the path of a test in this binary");
    let resolver = tempfile::NamedTempFile::new().expect("a file");
    fs::write(resolver.path(), format!("nameserver {}\n", names::SERVER.ip())).expect("a file");
    let ended = unshare(variables)
        .args(["--net", "--mount", "/bin/sh", "-c", PREPARE, "sh"])
        .arg(resolver.path())
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` of util-linux");
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    // A name that no test has would be none that fails.
    assert!(ended.status.success() && said.contains("test result: ok. 1 passed"), "{name}, isolated: {said}");
    for line in said
        .lines()
        .filter_map(|line| ["fault ", "corpus "].iter().find_map(|word| line.find(word)).map(|at| &line[at..]))
    {
        super::counts::say(line);
    }
}

/// Namespaces are root's to make, as whom the command runs.
fn unshare(variables: &[(&str, &str)]) -> Command {
    let is_root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    if !is_root {
        command.args(["--non-interactive", "--preserve-env", "env"]);
    }
    command.arg(format!("{INSIDE}=yes")).args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg("unshare");
    command
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}
