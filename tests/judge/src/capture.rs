//! Judging flows of a capture file.

use crate::crypto::{Inbound, KeySet};
use crate::flow::{Receiver, Report};
use crate::pcap;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// What to judge: several flows of one capture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The flows; a datagram belongs to the first that fits.
    flows: Vec<Flow>,
}

/// One direction of media.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flow {
    /// Comes back in the result.
    name: String,
    /// The RTP address that sends; any when absent.
    #[serde(default)]
    source: Option<SocketAddrV4>,
    /// The RTP address that receives; RTCP goes to the next port or to the same.
    destination: SocketAddrV4,
    /// The sets of keys in use one after the other; none for a flow of clear RTP.
    #[serde(default)]
    keys: Vec<KeySet>,
    /// Payload type of the audio.
    #[serde(default)]
    payload_type: u8,
    /// A file with the audio that must not be seen in the clear.
    #[serde(default)]
    known_audio: Option<PathBuf>,
    /// Where the audio goes.
    #[serde(default)]
    out: Option<PathBuf>,
}

/// One line of output.
#[derive(Serialize)]
struct Verdict<'a> {
    name: &'a str,
    #[serde(flatten)]
    report: Report,
    /// Time between the first and the last packet in microseconds.
    duration_us: u64,
}

struct Judged {
    flow: Flow,
    receiver: Receiver,
    first_us: u64,
    last_us: u64,
}

/// Reads a [`Job`] from `input` and prints a verdict per flow of the capture `file`.
pub fn judge(file: &str, input: impl Read, mut output: impl Write) -> Result<(), String> {
    let job: Job = serde_json::from_reader(input).map_err(|e| format!("job: {e}"))?;
    let bytes = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let datagrams = pcap::read(&bytes).map_err(|e| format!("{file}: {e}"))?;
    let mut flows = Vec::new();
    let mut by_address: HashMap<SocketAddrV4, Vec<usize>> = HashMap::new();
    for flow in job.flows {
        let known = match &flow.known_audio {
            Some(path) => std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?,
            None => Vec::new(),
        };
        let mut receiver = Receiver::new(flow.payload_type, known);
        // The last set is the current one: tell the first keys last.
        for keys in flow.keys.iter().rev() {
            receiver.add_keys(Inbound::new(keys)?);
        }
        if flow.keys.is_empty() {
            receiver.declare_clear();
        }
        by_address.entry(flow.destination).or_default().push(flows.len());
        flows.push(Judged { flow, receiver, first_us: 0, last_us: 0 });
    }
    for datagram in datagrams {
        let below =
            SocketAddrV4::new(*datagram.destination.ip(), datagram.destination.port().wrapping_sub(1));
        let candidates = by_address.get(&datagram.destination).or_else(|| by_address.get(&below));
        let rtcp = !by_address.contains_key(&datagram.destination);
        let fits = |at: &&usize| {
            flows[**at].flow.source.is_none_or(|source| {
                let port = source.port().wrapping_add(u16::from(rtcp));
                datagram.source == SocketAddrV4::new(*source.ip(), port)
            })
        };
        if let Some(at) = candidates.and_then(|list| list.iter().find(fits)).copied() {
            let judged = &mut flows[at];
            judged.receiver.datagram(&datagram.payload);
            if judged.first_us == 0 {
                judged.first_us = datagram.time_us;
            }
            judged.last_us = datagram.time_us;
        }
    }
    for judged in &flows {
        if let Some(path) = &judged.flow.out {
            std::fs::write(path, judged.receiver.audio()).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let mut report = judged.receiver.report();
        report.by_keys.reverse();
        let verdict = Verdict {
            name: &judged.flow.name,
            report,
            duration_us: judged.last_us.saturating_sub(judged.first_us),
        };
        let line = serde_json::to_string(&verdict).map_err(|e| e.to_string())?;
        writeln!(output, "{line}").map_err(|e| e.to_string())?;
    }
    Ok(())
}
