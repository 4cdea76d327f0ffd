//! The packets of a connection, from the kernel: `ss` of iproute2 prints them. On other systems the
//! column stays empty.
use std::net::SocketAddr;

use tokio::process::Command;

/// Packets that were sent and received, without the first SYN.
pub async fn of(local: SocketAddr) -> Option<(u64, u64)> {
    let port = format!(":{}", local.port());
    let output = Command::new("ss")
        .args(["-tinH", "sport", "=", &port])
        .output();
    parse(&String::from_utf8_lossy(&output.await.ok()?.stdout))
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let value = |name: &str| {
        let value = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name));
        value?.parse().ok()
    };
    Some((value("segs_out:")?, value("segs_in:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_ss() {
        let text = "ESTAB 0 0 127.0.0.1:40000 127.0.0.1:8080\n\t cubic wscale:7,7 rto:204 \
                    bytes_sent:83 segs_out:7 segs_in:6 data_segs_out:3\n";
        assert_eq!(parse(text), Some((7, 6)));
        assert_eq!(parse(""), None);
    }
}
