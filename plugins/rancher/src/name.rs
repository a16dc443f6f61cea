//! The names of load balancer services: fit for Rancher, stable, and found again by their beginning.

use sha2::{Digest, Sha256};

/// The longest name that Rancher takes.
const LONGEST: usize = 63;
/// Characters of the digest of controller and Ingress: 40 bits.
const INGRESS_DIGEST: usize = 8;
/// Characters of the digest of the owner's UID: 30 bits.
const INCARNATION_DIGEST: usize = 6;
const LONGEST_SLUG: usize = LONGEST - INGRESS_DIGEST - INCARNATION_DIGEST - 2;

/// What the names of all load balancers of one Ingress begin with, whatever its UID; ends with `-`.
///
/// The readable part may be cut short or be the same for two Ingresses; the digest is of the whole.
pub(crate) fn prefix(controller: &str, load_balancer: &str) -> String {
    format!("{}-{}-", slug(load_balancer), digest(&[controller, load_balancer], INGRESS_DIGEST))
}

/// The name of the load balancer of one incarnation of an Ingress.
pub(crate) fn name(controller: &str, load_balancer: &str, uid: &str) -> String {
    prefix(controller, load_balancer) + &digest(&[uid], INCARNATION_DIGEST)
}

/// The part for people: lower-case letters, digits, and single dashes within.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for byte in text.bytes().map(|byte| byte.to_ascii_lowercase()) {
        if byte.is_ascii_alphanumeric() {
            slug.push(char::from(byte));
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST_SLUG);
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.is_empty() { "lb".to_owned() } else { slug }
}

/// So many characters of a digest, in an alphabet that survives a comparison without case.
fn digest(parts: &[&str], characters: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        // No part holds it, so no two lists of parts read the same.
        hash.update([0]);
    }
    let bits = hash.finalize();
    let quintet = |index: usize| {
        let (byte, shift) = (index * 5 / 8, index * 5 % 8);
        let pair = u16::from(bits[byte]) << 8 | u16::from(bits[byte + 1]);
        usize::from(pair >> (11 - shift) & 31)
    };
    (0..characters).map(|index| char::from(ALPHABET[quintet(index)])).collect()
}

#[cfg(test)]
mod tests;
