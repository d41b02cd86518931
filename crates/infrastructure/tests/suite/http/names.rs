//! A name server on loopback that answers from a small table.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use infrastructure::http::NameServers;
use tokio::net::UdpSocket;

/// What is known of a name.
#[derive(Clone)]
pub(crate) enum Entry {
    /// These addresses, not to be cached.
    Addresses(Vec<IpAddr>),
    /// The first address at first, the second one ever after.
    Rebinding(Ipv4Addr, Ipv4Addr, Arc<AtomicUsize>),
    /// SERVFAIL.
    Broken,
    /// No answer at all.
    Silent,
}

pub(crate) fn addresses(addresses: &[&str]) -> Entry {
    Entry::Addresses(addresses.iter().map(|address| address.parse().expect("an address")).collect())
}

pub(crate) fn rebinding(first: &str, then: &str) -> Entry {
    let address = |text: &str| text.parse().expect("an address");
    Entry::Rebinding(address(first), address(then), Arc::default())
}

/// Serves `zone`; every other name does not exist.
pub(crate) async fn serve(zone: &[(&str, Entry)]) -> NameServers {
    let zone: HashMap<String, Entry> = zone.iter().map(|(name, entry)| ((*name).to_owned(), entry.clone())).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut query = [0; 1_500];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            if let Some(reply) = reply(&query[..length], &zone) {
                send(&socket, &reply, client).await;
            }
        }
    });
    NameServers::At(vec![address])
}

async fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    socket.send_to(reply, client).await.expect("loopback takes datagrams");
}

/// RFC 1035 §4: the header and the question as they came, and the answers behind them.
fn reply(query: &[u8], zone: &HashMap<String, Entry>) -> Option<Vec<u8>> {
    const NO_ERROR: u8 = 0;
    const SERVER_FAILURE: u8 = 2;
    const NAME_ERROR: u8 = 3;
    let (name, end) = question(query)?;
    let record_type = u16::from_be_bytes([query[end], query[end + 1]]);
    let (response_code, records) = match zone.get(&name) {
        Some(Entry::Silent) => return None,
        Some(Entry::Broken) => (SERVER_FAILURE, Vec::new()),
        None => (NAME_ERROR, Vec::new()),
        Some(Entry::Rebinding(first, then, asked)) => {
            let again = record_type == 1 && asked.fetch_add(1, Ordering::SeqCst) > 0;
            let address = if again { *then } else { *first };
            (NO_ERROR, record(record_type, address.into()).into_iter().collect())
        }
        Some(Entry::Addresses(addresses)) => {
            let records = addresses.iter().filter_map(|address| record(record_type, *address)).collect();
            (NO_ERROR, records)
        }
    };
    let count = u8::try_from(records.len()).expect("few records");
    let mut reply = vec![query[0], query[1], 0x81, 0x80 | response_code, 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend_from_slice(&query[12..end + 4]);
    reply.extend(records.concat());
    Some(reply)
}

/// The name asked for, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

fn record(record_type: u16, address: IpAddr) -> Option<Vec<u8>> {
    let data = match (record_type, address) {
        (1, IpAddr::V4(address)) => address.octets().to_vec(),
        (28, IpAddr::V6(address)) => address.octets().to_vec(),
        _ => return None,
    };
    // A pointer to the question's name, the type, class IN, no time to live, the data.
    let mut record = vec![0xc0, 0x0c];
    record.extend(record_type.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(data.len()).ok()?]);
    record.extend(data);
    Some(record)
}
