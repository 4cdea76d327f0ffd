//! Short-lived signed tokens: they let a client that has logged in over HTTP open a WebSocket.
//!
//! A browser cannot set header fields for a WebSocket, so the token is in the query of the URL. There it
//! can end up in logs and histories. That is why it is short-lived and works once.
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::protocol::check_name;

/// The shortest secret that signs tokens, in bytes: a shorter one can be guessed.
pub const SECRET: usize = 16;
/// How long a token is valid.
pub const VALID: Duration = Duration::from_secs(30);

const EXPIRES: usize = 8;
const NONCE: usize = 16;
const MAC: usize = 32;
/// Longest token: a longer one is not decoded. A character of a name has at most 4 bytes.
const LONGEST: usize = (EXPIRES + NONCE + 4 * super::protocol::NAME + MAC) * 4 / 3 + 1;

/// Makes and checks tokens. Nodes with the same secret accept each other's.
///
/// A token is the base64url form of the instant when it expires (milliseconds since 1970, 8 bytes,
/// big-endian), a nonce (16 bytes), the user's name, and the HMAC-SHA256 of all of that.
pub struct Tokens {
    mac: Hmac<Sha256>,
}

/// What a valid token says.
#[derive(Debug, PartialEq, Eq)]
pub struct Claims {
    pub user: String,
    /// A token works once, for the connection that claims this key first.
    pub key: String,
    /// How long the token is still valid.
    pub left: Duration,
}

/// Why a token was refused. The response to the client says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("token: missing")]
    Missing,
    #[error("token: malformed")]
    Malformed,
    #[error("token: wrong signature")]
    Signature,
    #[error("token: expired")]
    Expired,
    #[error("token: used already")]
    Used,
}

impl Tokens {
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of every length.
        let mac = Hmac::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
        Self { mac }
    }

    /// With a random secret, for a single node.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self::new(&secret))
    }

    /// Makes a token for a user, valid for [`VALID`].
    pub fn issue(&self, user: &str, now: SystemTime) -> Result<String, getrandom::Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        Ok(self.sign(user, nonce, now + VALID))
    }

    fn sign(&self, user: &str, nonce: [u8; NONCE], expires: SystemTime) -> String {
        let mut token = millis(expires).to_be_bytes().to_vec();
        token.extend_from_slice(&nonce);
        token.extend_from_slice(user.as_bytes());
        let mac = self.mac.clone().chain_update(&token).finalize();
        token.extend_from_slice(&mac.into_bytes());
        BASE64.encode(token)
    }

    /// Checks all but that the token was not used before. For that, claim [`Claims::key`].
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let token = BASE64.decode(token).map_err(|_| TokenError::Malformed)?;
        let (signed, mac) = token
            .split_last_chunk::<MAC>()
            .ok_or(TokenError::Malformed)?;
        let (expires, rest) = signed
            .split_first_chunk::<EXPIRES>()
            .ok_or(TokenError::Malformed)?;
        let (nonce, user) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(TokenError::Malformed)?;
        // In constant time: how long a comparison takes must not tell how much of a MAC is right.
        let expected = self.mac.clone().chain_update(signed);
        expected
            .verify_slice(mac)
            .map_err(|_| TokenError::Signature)?;
        let user = str::from_utf8(user).map_err(|_| TokenError::Malformed)?;
        check_name(user).map_err(|_| TokenError::Malformed)?;
        let left = u64::from_be_bytes(*expires).saturating_sub(millis(now));
        if left == 0 {
            return Err(TokenError::Expired);
        }
        Ok(Claims {
            user: user.into(),
            key: format!("token-{}", BASE64.encode(nonce)),
            left: Duration::from_millis(left),
        })
    }
}

/// Milliseconds since 1970.
pub fn millis(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn at(after: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + NOW + after
    }

    #[test]
    fn is_valid_for_thirty_seconds() {
        let tokens = Tokens::new(b"secret");
        let token = tokens.issue("Ann", at(Duration::ZERO)).unwrap();
        let claims = tokens.check(&token, at(Duration::ZERO)).unwrap();
        assert_eq!((claims.user.as_str(), claims.left), ("Ann", VALID));
        let last = VALID - Duration::from_millis(1);
        assert_eq!(tokens.check(&token, at(last)).unwrap().left.as_millis(), 1);
        assert_eq!(tokens.check(&token, at(VALID)), Err(TokenError::Expired));
    }

    #[test]
    fn fits_into_a_url_and_into_a_key_of_the_broker() {
        let tokens = Tokens::new(b"secret");
        for name in ["Ann", "<b>\u{1f600}</b>&=#?", &"\u{1f600}".repeat(32)] {
            let token = tokens.issue(name, at(Duration::ZERO)).unwrap();
            let plain = |text: &str| {
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            assert!(plain(&token), "{token}");
            let claims = tokens.check(&token, at(Duration::ZERO)).unwrap();
            assert!(plain(&claims.key) && claims.key.len() <= 64);
            assert_eq!(claims.user, name);
        }
    }

    #[test]
    fn each_has_its_own_key() {
        let tokens = Tokens::new(b"secret");
        let key = || {
            let token = tokens.issue("Ann", at(Duration::ZERO)).unwrap();
            tokens.check(&token, at(Duration::ZERO)).unwrap().key
        };
        assert_ne!(key(), key());
    }

    #[test]
    fn a_changed_or_foreign_one_is_refused() {
        let tokens = Tokens::new(b"secret");
        let token = tokens.issue("Ann", at(Duration::ZERO)).unwrap();
        let check = |token: &str| tokens.check(token, at(Duration::ZERO));
        let bytes = BASE64.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&BASE64.encode(changed)), Err(TokenError::Signature));
        }
        let foreign = Tokens::new(b"other")
            .issue("Ann", at(Duration::ZERO))
            .unwrap();
        assert_eq!(check(&foreign), Err(TokenError::Signature));
        assert_eq!(check(""), Err(TokenError::Missing));
        for malformed in [
            "x",
            "!!!!",
            &token[..40],
            &"A".repeat(100_000),
            "token with spaces",
        ] {
            assert_eq!(
                check(malformed),
                Err(TokenError::Malformed),
                "{malformed:.50}"
            );
        }
        // The parts have one meaning only: no byte can move from one to another.
        assert_eq!(
            check(&BASE64.encode(&bytes[1..])),
            Err(TokenError::Signature)
        );
    }

    #[test]
    fn a_name_that_is_not_allowed_is_refused_even_if_it_is_signed() {
        let tokens = Tokens::new(b"secret");
        let token = tokens.sign("A\nnn", [0; NONCE], at(VALID));
        assert_eq!(
            tokens.check(&token, at(Duration::ZERO)),
            Err(TokenError::Malformed)
        );
    }
}
