//! Ports for listeners.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that the system gives to clients.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nobody uses now, and that no listener of this run was given.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 61 % u32::from(COUNT)).expect("it is below the count");
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        let address = (Ipv4Addr::UNSPECIFIED, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
}
