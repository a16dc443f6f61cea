//! Ports that nobody else has.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context, Result};

/// Below the range that the kernel takes client ports from, so that no connection takes a port between two looks.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// A port that is free for TCP and UDP on all addresses. Processes start at different places of the range.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(u64::from(std::process::id()) * 37 % u64::from(COUNT)).context("the range fits")?;
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|&port| {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
                && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        })
        .context("no port is free")
}
