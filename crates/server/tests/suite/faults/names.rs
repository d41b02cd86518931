//! The name server of the isolated network, which answers as its test says.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Where the program finds it.
pub(crate) const SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 53), 53));

const A: u16 = 1;
const AAAA: u16 = 28;

/// The running server. It stops with this value.
pub(crate) struct Names(JoinHandle<()>);

impl Names {
    /// Answers what `addresses` says of a name that is asked for the nth time, from 0. A look-up asks for IPv4 and for
    /// IPv6 addresses, each counted by itself; of what `addresses` says it gets the kind that it asks for. No address
    /// at all means that the name does not exist. Nothing may be cached.
    pub(crate) async fn serve(addresses: impl Fn(&str, usize) -> Vec<IpAddr> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(SERVER).await.expect("an isolated network");
        Self(tokio::spawn(async move {
            let mut asked = HashMap::<(String, u16), usize>::new();
            let mut query = [0; 1_500];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                let Some((name, kind, end)) = question(&query[..length]) else { continue };
                let times = asked.entry((name.clone(), kind)).or_default();
                let answer = reply(&query[..end], kind, &addresses(&name, *times));
                *times += 1;
                socket.send_to(&answer, client).await.expect("loopback takes datagrams");
            }
        }))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The name and the type that are asked for, and where the question ends.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
            return Some((labels.join("."), kind, at + 4)).filter(|(.., end)| *end <= query.len());
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

/// RFC 1035 §4: the header and the question as they came, and the answers behind them.
fn reply(query: &[u8], kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    const NAME_ERROR: u8 = 3;
    let records: Vec<_> = addresses.iter().filter_map(|address| record(kind, *address)).collect();
    let count = u8::try_from(records.len()).expect("few records");
    let code = if addresses.is_empty() { NAME_ERROR } else { 0 };
    let mut reply = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend_from_slice(&query[12..]);
    reply.extend(records.concat());
    reply
}

fn record(kind: u16, address: IpAddr) -> Option<Vec<u8>> {
    let data = match (kind, address) {
        (A, IpAddr::V4(address)) => address.octets().to_vec(),
        (AAAA, IpAddr::V6(address)) => address.octets().to_vec(),
        _ => return None,
    };
    // A pointer to the question's name, the type, class IN, no time to live, the data.
    let mut record = vec![0xc0, 0x0c];
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(data.len()).ok()?]);
    record.extend(data);
    Some(record)
}
