//! Two PBXs with a leg each, whose peers they are: whole calls over real sockets.

#![allow(dead_code)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use sealrtp_dtls::{Context, Identity};
use sealrtp_leg::{
    Associations, Event, Happened, Leg, LineInfo, Message, Observer, Ports, Refusal, StreamInfo, Terms,
};
use sealrtp_policy::{Config, Signalling};
use sealrtp_relay::Relay;
use sealrtp_session::State;
use sealrtp_zrtp::Association;
use sealrtp_zrtp::message::Zid;

/// Longer than any handshake here takes; a test that waits so long fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// In which nothing comes, where nothing may come.
const SILENCE: Duration = Duration::from_millis(150);

/// One relay for all tests of a process.
pub fn relay() -> Relay {
    static RELAY: OnceLock<Relay> = OnceLock::new();
    RELAY.get_or_init(|| Relay::start(2).unwrap()).clone()
}

pub fn config(settings: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    for (key, value) in settings {
        config.set(key, value).unwrap();
    }
    config
}

/// A policy of one method, with SDES over any signalling.
pub fn only(method: &str, fallback: &str) -> Config {
    config(&[("offer", method), ("accept", method), ("fallback", fallback), ("sdes_signalling", "any")])
}

pub fn context() -> Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let make = || {
        let identity = Identity::generate(SystemTime::now()).unwrap();
        Context::new(sealrtp_dtls::Config::default(), &identity).unwrap()
    };
    CONTEXT.get_or_init(make).clone()
}

/// Ports of the system's, counted.
#[derive(Default)]
pub struct Counted {
    pub out: Mutex<BTreeSet<u16>>,
    /// So many are left; none: as many as the system has.
    pub left: Mutex<Option<u32>>,
    /// Ports that somebody else has, to be given first.
    pub taken: Mutex<Vec<UdpSocket>>,
    pub asked: AtomicU32,
}

impl Ports for Counted {
    fn take(&self) -> Option<u16> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = &mut *self.left.lock().unwrap() {
            *left = left.checked_sub(1)?;
        }
        let port = match self.taken.lock().unwrap().pop() {
            Some(socket) => {
                let port = socket.local_addr().unwrap().port();
                // Bound for the rest of the process.
                std::mem::forget(socket);
                port
            }
            None => {
                let [rtp, _rtcp] = pair("127.0.0.1".parse().unwrap());
                rtp.local_addr().unwrap().port()
            }
        };
        assert!(self.out.lock().unwrap().insert(port), "one port twice");
        Some(port)
    }

    fn give_back(&self, port: u16) {
        assert!(self.out.lock().unwrap().remove(&port), "{port} was not given");
        // Whoever gets it next can bind it.
        if self.left.lock().unwrap().is_none() && !self.is_ours(port) {
            UdpSocket::bind(("127.0.0.1", port)).expect("closed when it is given back");
        }
    }
}

impl Counted {
    fn is_ours(&self, port: u16) -> bool {
        UdpSocket::bind(("127.0.0.1", port)).is_err() && UdpSocket::bind(("::1", port)).is_err()
    }
}

/// An even port and the next one, below those that the system gives to whoever asks for any. Tests of several processes look for
/// them at the same time.
pub fn pair(ip: IpAddr) -> [UdpSocket; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 64;
        let port = 20000 + 2 * (number % 6000) as u16;
        let sockets = [port, port + 1].map(|port| UdpSocket::bind(SocketAddr::new(ip, port)));
        if let [Ok(rtp), Ok(rtcp)] = sockets {
            return [rtp, rtcp];
        }
    }
}

#[derive(Default)]
pub struct Heard(pub Mutex<Vec<Event>>);

impl Observer for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

pub struct Zrtp(pub Zid);

impl Associations for Zrtp {
    fn begin(&self, config: &Config, disclosure: bool) -> Option<Association> {
        let mut exchange = config.zrtp().clone();
        exchange.disclosure = disclosure;
        Association::new(Arc::new(exchange), self.0, None).ok()
    }
}

/// A PBX with its leg.
pub struct End {
    pub name: &'static str,
    pub leg: Leg,
    pub ports: Arc<Counted>,
    pub heard: Arc<Heard>,
    /// The PBX's own sockets of each line, RTP and RTCP.
    pub sockets: Vec<[UdpSocket; 2]>,
    pub ip: IpAddr,
}

impl End {
    pub fn new(name: &'static str, config: Config) -> Self {
        Self::at(name, config, "127.0.0.1", |_| ())
    }

    pub fn at(name: &'static str, config: Config, ip: &str, change: impl FnOnce(&mut Terms)) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let mut terms = Terms::beside(name, config, context(), ip);
        let mut zid = [0; 12];
        zid[..name.len().min(12)].copy_from_slice(&name.as_bytes()[..name.len().min(12)]);
        terms.zrtp = Some(Box::new(Zrtp(Zid(zid))));
        change(&mut terms);
        let ports = Arc::new(Counted::default());
        let heard = Arc::new(Heard::default());
        let leg = Leg::new(&relay(), terms, ports.clone(), heard.clone());
        let sockets: Vec<_> = (0..2).map(|_| pair(ip)).collect();
        for socket in sockets.iter().flatten() {
            socket.set_nonblocking(true).unwrap();
        }
        Self { name, leg, ports, heard, sockets, ip }
    }

    pub fn port(&self, line: usize) -> u16 {
        self.sockets[line][0].local_addr().unwrap().port()
    }

    /// The PBX's own description with these lines; `{}` stands for the line's port.
    pub fn body(&self, lines: &[&str]) -> String {
        let family = if self.ip.is_ipv4() { 4 } else { 6 };
        let ip = self.ip;
        let mut text =
            format!("v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\n");
        for (line, said) in lines.iter().enumerate() {
            text.push_str(&said.replace("{}", &self.port(line).to_string()));
        }
        text
    }

    pub fn local(&self, lines: &[&str], message: &Message) -> Result<String, Refusal> {
        self.local_text(&self.body(lines), message)
    }

    pub fn local_text(&self, body: &str, message: &Message) -> Result<String, Refusal> {
        let text = self.leg.local(body.as_bytes(), message)?;
        Ok(String::from_utf8(text.to_vec()).unwrap())
    }

    pub fn remote(&self, body: &str, message: &Message) -> Result<String, Refusal> {
        let text = self.leg.remote(body.as_bytes(), message)?;
        Ok(String::from_utf8(text.to_vec()).unwrap())
    }

    pub fn line(&self, index: usize) -> LineInfo {
        self.leg.line(index).unwrap()
    }

    pub fn stream(&self, index: usize) -> StreamInfo {
        self.line(index).stream.expect("a stream carries the line")
    }

    /// Waits until something holds of the leg.
    pub fn wait(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            assert!(begin.elapsed() < PATIENCE, "{}: {what} has not come: {}", self.name, self.leg.explain());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn wait_secure(&self, line: usize) {
        self.wait("SECURE", |end| end.stream(line).state == State::Secure);
    }

    pub fn happened(&self, is: impl Fn(&Happened) -> bool) -> Vec<Event> {
        self.heard.0.lock().unwrap().iter().filter(|event| is(&event.what)).cloned().collect()
    }

    /// RTP of the PBX's on a line.
    pub fn send(&self, line: usize, sequence: u16) {
        let port = self.stream(line).inner_port;
        let to = SocketAddr::new(self.inner(), port);
        self.sockets[line][0].send_to(&rtp(self.name, sequence), to).unwrap();
    }

    /// A receiver report of the PBX's.
    pub fn send_rtcp(&self, line: usize) {
        let mux = self.stream(line).mux;
        let to = SocketAddr::new(self.inner(), self.stream(line).inner_port + u16::from(!mux));
        self.sockets[line][usize::from(!mux)].send_to(&RTCP, to).unwrap();
    }

    fn inner(&self) -> IpAddr {
        if self.ip.is_ipv4() { "127.0.0.1".parse().unwrap() } else { "::1".parse().unwrap() }
    }

    /// The next packet that the PBX gets on a line.
    pub fn receive(&self, line: usize, component: usize, patience: Duration) -> Option<Vec<u8>> {
        let begin = Instant::now();
        let mut buffer = [0; 2048];
        while begin.elapsed() < patience {
            if let Ok((len, _)) = self.sockets[line][component].recv_from(&mut buffer) {
                return Some(buffer[..len].to_vec());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    /// The next packet but those, in any time.
    pub fn receive_but(
        &self,
        line: usize,
        component: usize,
        those: impl Fn(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        loop {
            let packet = self.receive(line, component, PATIENCE)?;
            if !those(&packet) {
                return Some(packet);
            }
        }
    }

    pub fn drain(&self) {
        for line in 0..self.sockets.len() {
            for component in 0..2 {
                while self.receive(line, component, Duration::from_millis(5)).is_some() {}
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.name, self.leg.explain());
        }
    }
}

const RTCP: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

/// An RTP packet of PCMU whose payload nobody could take for another's.
pub fn rtp(name: &str, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, name.len() as u8];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(format!("payload of {name} {sequence} ").repeat(4).as_bytes());
    packet
}

/// Media of both sides arrives as it was sent, and RTCP too.
pub fn talk(left: &End, right: &End, line: usize, first: u16) {
    left.drain();
    right.drain();
    for (from, to) in [(left, right), (right, left)] {
        for sequence in first..first + 5 {
            from.send(line, sequence);
            let heard = to.receive_but(line, 0, |packet| is_of_silence(from, packet));
            assert_eq!(heard, Some(rtp(from.name, sequence)), "{} to {}", from.name, to.name);
        }
        from.send_rtcp(line);
        let component = usize::from(!to.stream(line).mux);
        assert_eq!(
            to.receive(line, component, PATIENCE).as_deref(),
            Some(&RTCP[..]),
            "RTCP of {}",
            from.name
        );
    }
}

/// The sequence numbers of what may not arrive.
const OF_SILENCE: Range<u16> = 500..505;

/// What a relay's thread that stood still had no time to drop goes under what holds when it looks: late, and secured.
fn is_of_silence(from: &End, packet: &[u8]) -> bool {
    OF_SILENCE.into_iter().any(|sequence| packet == rtp(from.name, sequence))
}

/// Nothing of one side's media arrives at the other.
pub fn silent(from: &End, to: &End, line: usize) {
    to.drain();
    for sequence in OF_SILENCE {
        from.send(line, sequence);
    }
    assert_eq!(to.receive(line, 0, SILENCE), None, "{} to {}", from.name, to.name);
}

pub fn offer(cseq: u32) -> Message {
    Message { request: true, cseq, signalling: Signalling::Tls }
}

pub fn answer(cseq: u32) -> Message {
    Message { request: false, cseq, signalling: Signalling::Tls }
}

/// The bodies of one exchange, as the peers and the PBXs saw them.
pub struct Exchange {
    pub offer: String,
    pub offer_at_pbx: String,
    pub answer: String,
    pub answer_at_pbx: String,
}

pub const AUDIO: &str = "m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n";
pub const VIDEO: &str = "m=video {} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

/// `from` offers its lines and `to` answers with its own.
pub fn exchange(
    from: &End,
    to: &End,
    lines: &[&str],
    answered: &[&str],
    cseq: u32,
) -> Result<Exchange, Refusal> {
    let offered = from.local(lines, &offer(cseq))?;
    let offer_at_pbx = to.remote(&offered, &offer(cseq))?;
    let answered = to.local(answered, &answer(cseq))?;
    let answer_at_pbx = from.remote(&answered, &answer(cseq))?;
    Ok(Exchange { offer: offered, offer_at_pbx, answer: answered, answer_at_pbx })
}

/// What is clear in a text for a PBX.
pub fn assert_clear(text: &str) {
    for secret in
        ["a=crypto", "a=fingerprint", "a=setup", "a=zrtp-hash", "SAVP", "ice-", "candidate", "BUNDLE"]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
