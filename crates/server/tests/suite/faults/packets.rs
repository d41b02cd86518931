//! Every packet of the isolated network, so that "not one packet" can be said (SE-D-5).

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// `ETH_P_ALL`: packets of every protocol.
const EVERY_PROTOCOL: u16 = 3;

/// Nothing else is ever sent there.
const MARK: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 99));

/// The destinations of all packets from the start on.
pub(crate) struct Packets(watch::Receiver<BTreeSet<IpAddr>>);

impl Packets {
    pub(crate) fn watch() -> Self {
        let protocol = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
        let mut socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol)).expect("root in the namespace");
        socket.set_recv_buffer_size(16 * 1024 * 1024).expect("a socket");
        let (sender, seen) = watch::channel(BTreeSet::new());
        // Ends with the process: the isolated test has one of its own.
        thread::spawn(move || {
            let mut packet = [0; 128];
            while let Ok(length) = socket.read(&mut packet) {
                if let Some(destination) = destination(&packet[..length]) {
                    sender.send_if_modified(|seen| seen.insert(destination));
                }
            }
        });
        Self(seen)
    }

    /// The destinations outside 127/8 so far. It waits for a packet that it sends itself: those before it have been
    /// counted then, and a watch that sees nothing does not pass for a network without packets.
    pub(crate) async fn beyond_loopback(&self) -> BTreeSet<IpAddr> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.send_to(b"mark", (MARK, 9)).await.expect("every address is this machine's own");
        let mut seen = self.0.clone();
        let marked = tokio::time::timeout(Duration::from_secs(30), seen.wait_for(|seen| seen.contains(&MARK))).await;
        let mut seen = marked.expect("the mark is seen").expect("a watch").clone();
        seen.retain(|address| *address != MARK && !matches!(address, IpAddr::V4(v4) if v4.is_loopback()));
        seen
    }
}

/// The destination in the header of an IPv4 or IPv6 packet.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?))),
        6 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?))),
        _ => None,
    }
}
