//! Processes that the comparison starts, and how they say where they answer.

use std::io::{self, Write, stdout};
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failure;

/// Says where this process answers.
pub(crate) fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}

/// Another process of this program; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    _killed_on_drop: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Part {
    /// Starts it, and waits for its [`announce`].
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let out = child.stdout.take().ok_or("a child without standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).await?;
        let address = line.trim().parse().map_err(|_| format!("`{}` did not start", arguments.join(" ")))?;
        Ok(Self { _killed_on_drop: child, address })
    }
}
