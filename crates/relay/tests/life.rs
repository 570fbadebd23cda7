//! How relays and their streams begin and end.

mod common;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Call, NEVER, SOON, Until, key, next, rtcp, rtp};
use sealrtp_relay::{MAX_THREADS, Observer, Relay, Sockets, Stream};
use sealrtp_session::{Component, Event, Session, WithoutKeys};
use sealrtp_srtp::Limits;
use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Config};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One test at a time: some look at the whole process.
static WHOLE_PROCESS: Mutex<()> = Mutex::new(());

fn whole_process() -> std::sync::MutexGuard<'static, ()> {
    WHOLE_PROCESS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn sockets() -> Sockets {
    Sockets::bind(SocketAddr::new(LOCALHOST, 0), LOCALHOST).unwrap()
}

fn session() -> Session {
    Session::new(Limits::default(), WithoutKeys::Block)
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn relay_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "sealrtp-relay").count()
}

/// A thread that was joined is listed a moment longer.
fn eventually(mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !reached() {
        assert!(Instant::now() < end, "it never comes; {} threads of relays", relay_threads());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets a ZRTP session's Hello go out, which brings events by its timers.
fn begin_zrtp(stream: &Stream) {
    let association = Association::new(Arc::new(Config::default()), Zid([1; 12]), None).unwrap();
    stream.with(|session, now| {
        session.set_trace(true);
        session.zrtp_use(&association, 1, now).unwrap();
        session.zrtp_start(now);
    });
}

#[test]
fn a_thousand_streams_leave_no_descriptor_and_no_thread() {
    let _whole = whole_process();
    let before = count("/proc/self/fd");
    {
        let relay = Relay::start(3).unwrap();
        eventually(|| relay_threads() == 3);
        let open = count("/proc/self/fd");
        let mut ports = Vec::new();
        for _ in 0..10 {
            let (ear, _events) = common::ear();
            let streams: Vec<Stream> =
                (0..100).map(|_| relay.open(sockets(), session(), ear.clone()).unwrap()).collect();
            assert_eq!(relay.streams(), 100);
            assert_eq!(count("/proc/self/fd"), open + 400);
            ports = streams.iter().flat_map(|stream| [stream.peer_port(), stream.pbx_port()]).collect();
            drop(streams);
            assert_eq!((relay.streams(), count("/proc/self/fd")), (0, open));
        }
        // The ports are free at once.
        for port in ports {
            UdpSocket::bind((LOCALHOST, port)).unwrap();
        }
    }
    assert_eq!(count("/proc/self/fd"), before);
    eventually(|| relay_threads() == 0);
}

#[test]
fn the_threads_live_as_long_as_a_stream_does() {
    let _whole = whole_process();
    let call = Call::new(WithoutKeys::Block);
    call.key();
    let Call { relay, stream, peer, pbx, .. } = call;
    drop(relay);
    eventually(|| relay_threads() == 1);
    pbx[0].send_to(&rtp(1), (LOCALHOST, stream.pbx_port())).unwrap();
    assert!(next(&peer[0], SOON).is_some());
    drop(stream);
    eventually(|| relay_threads() == 0);
}

#[test]
fn a_relay_has_from_one_thread_to_its_most() {
    let _whole = whole_process();
    for threads in [0, MAX_THREADS + 1] {
        let error = Relay::start(threads).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1 to 64"), "{error}");
    }
    assert_eq!(format!("{:?}", Relay::start(1).unwrap()), "Relay { threads: 1, streams: 0 }");
}

#[test]
fn closing_under_load_is_clean_and_the_ports_are_free() {
    let _whole = whole_process();
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let relay = Relay::start(2).unwrap();
    let targets = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let _until = Until(&done);
        scope.spawn(|| {
            let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
            let packets = [rtp(1), rtcp(), vec![22, 254, 253, 0], vec![0x10; 60]];
            while !done.load(Ordering::Relaxed) {
                let targets: Vec<u16> = targets.lock().unwrap().clone();
                for (port, packet) in targets.iter().zip(packets.iter().cycle()) {
                    let _ = socket.send_to(packet, (LOCALHOST, *port));
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for round in 0..30 {
            let calls: Vec<Call> =
                (0..4).map(|_| Call::on(relay.clone(), WithoutKeys::Pass, LOCALHOST)).collect();
            let ports = calls.iter().flat_map(|call| [call.stream.peer_port(), call.stream.pbx_port()]);
            *targets.lock().unwrap() = ports.collect();
            calls.iter().for_each(|call| begin_zrtp(&call.stream));
            thread::sleep(Duration::from_millis(10));
            for (number, call) in calls.into_iter().enumerate() {
                let port = call.stream.peer_port();
                if (round + number) % 2 == 0 {
                    drop(call.stream)
                } else {
                    call.stream.close()
                }
                UdpSocket::bind((LOCALHOST, port)).unwrap();
            }
        }
        // The load is there, however seldom its thread has run.
        eventually(|| sent.load(Ordering::Relaxed) > 1000);
    });
    assert_eq!(relay.streams(), 0);
}

/// Hands a stream's handle to whom it concerns, later.
type Slot = Arc<Mutex<Option<Stream>>>;

/// Does something at its first event.
struct AtFirst<F: Fn() + Send + Sync>(AtomicBool, F);

impl<F: Fn() + Send + Sync> Observer for AtFirst<F> {
    fn event(&self, _: Event) {
        if !self.0.swap(true, Ordering::Relaxed) {
            self.1();
        }
    }
}

#[test]
fn an_observer_may_use_its_stream_and_drop_it_even_as_the_last_one_of_the_relay() {
    let _whole = whole_process();
    for closes in [false, true] {
        let relay = Relay::start(1).unwrap();
        let (done, finished) = channel();
        let slot: Slot = Arc::default();
        let observer = {
            let (slot, done) = (Arc::clone(&slot), Mutex::new(done));
            AtFirst(AtomicBool::new(false), move || {
                let stream = slot.lock().unwrap().take().unwrap();
                stream.with(|session, _| session.demand_security());
                stream.set_peer([None; 2]);
                stream.counters();
                if closes {
                    stream.close()
                } else {
                    drop(stream)
                }
                done.lock().unwrap().send(()).unwrap();
            })
        };
        let stream = relay.open(sockets(), session(), Arc::new(observer)).unwrap();
        drop(relay);
        let mut held = slot.lock().unwrap();
        begin_zrtp(&stream);
        *held = Some(stream);
        drop(held);
        finished.recv_timeout(SOON).unwrap();
        eventually(|| relay_threads() == 0);
    }
}

#[test]
fn once_closed_the_observer_is_not_running_and_never_called_again() {
    let _whole = whole_process();
    struct Slow(AtomicBool, AtomicUsize);
    impl Observer for Slow {
        fn event(&self, _: Event) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.store(true, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(30));
            self.0.store(false, Ordering::SeqCst);
        }
    }
    let relay = Relay::start(1).unwrap();
    let observer = Arc::new(Slow(AtomicBool::new(false), AtomicUsize::new(0)));
    for _ in 0..10 {
        let stream = relay.open(sockets(), session(), observer.clone()).unwrap();
        let before = observer.1.load(Ordering::SeqCst);
        begin_zrtp(&stream);
        let end = Instant::now() + SOON;
        while observer.1.load(Ordering::SeqCst) == before {
            assert!(Instant::now() < end, "no event");
            thread::sleep(Duration::from_millis(1));
        }
        stream.close();
        assert!(!observer.0.load(Ordering::SeqCst), "it is still running");
        let told = observer.1.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(40));
        assert_eq!(observer.1.load(Ordering::SeqCst), told);
    }
}

#[test]
fn a_slow_observer_costs_no_packet() {
    let _whole = whole_process();
    struct Slow;
    impl Observer for Slow {
        fn event(&self, _: Event) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let relay = Relay::start(1).unwrap();
    let slow = relay.open(sockets(), session(), Arc::new(Slow)).unwrap();
    let call = Call::on(relay.clone(), WithoutKeys::Block, LOCALHOST);
    call.key();
    begin_zrtp(&slow);
    for number in 0..200 {
        call.peer_sends(&rtp(number));
        call.pbx_sends(&rtp(number));
        thread::sleep(Duration::from_millis(1));
    }
    for number in 0..200 {
        assert_eq!(call.pbx_hears(), Some(rtp(number)));
        assert_eq!(call.peer_hears(), Some(rtp(number)));
    }
}

/// Hears whether its stream is broken, and breaks it.
struct Panics(Mutex<Sender<()>>);

impl Observer for Panics {
    fn event(&self, event: Event) {
        panic!("an observer's own: {event}");
    }

    fn broken(&self) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

#[test]
fn a_panic_closes_its_stream_alone_and_is_told() {
    let _whole = whole_process();
    let relay = Relay::start(1).unwrap();
    let call = Call::on(relay.clone(), WithoutKeys::Block, LOCALHOST);
    call.key();
    let (sender, broken) = channel();
    let observer = Arc::new(Panics(Mutex::new(sender)));
    // On the relay's thread.
    let first = relay.open(sockets(), session(), observer.clone()).unwrap();
    begin_zrtp(&first);
    broken.recv_timeout(SOON).unwrap();
    // On the caller's, who gets it back.
    let second = relay.open(sockets(), session(), observer).unwrap();
    second.with(|session, _| {
        session.set_inbound(&key(1));
        session.set_outbound(&key(2));
    });
    let caught = catch_unwind(AssertUnwindSafe(|| second.with(|_, _| panic!("the caller's own"))));
    assert!(caught.is_err());
    broken.recv_timeout(SOON).unwrap();
    for stream in [&first, &second] {
        assert!(stream.counters().broken);
        UdpSocket::bind((LOCALHOST, stream.peer_port())).expect("the ports are free");
        // What is left lets nothing pass.
        let refused = stream.with(|session, _| session.protect_rtp(&mut [0x80; 200], 172).is_err());
        assert!(refused);
    }
    call.peer_sends(&rtp(1));
    assert_eq!(call.pbx_hears(), Some(rtp(1)));
    assert!(!call.stream.counters().broken);
}

#[test]
fn a_few_streams_share_one_thread() {
    let _whole = whole_process();
    let relay = Relay::start(4).unwrap();
    let calls: Vec<Call> = (0..8).map(|_| Call::on(relay.clone(), WithoutKeys::Block, LOCALHOST)).collect();
    let names = Arc::new(Mutex::new(Vec::new()));
    let streams: Vec<Stream> = (0..8)
        .map(|_| {
            let names = Arc::clone(&names);
            let note = move || names.lock().unwrap().push(thread::current().id());
            let stream = relay.open(sockets(), session(), Arc::new(AtFirst(AtomicBool::new(false), note)));
            stream.unwrap()
        })
        .collect();
    streams.iter().for_each(begin_zrtp);
    let end = Instant::now() + SOON;
    while names.lock().unwrap().len() < streams.len() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(1));
    }
    let names = names.lock().unwrap();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    drop(calls);
}

#[test]
fn hostile_datagrams_of_any_kind_harm_nothing() {
    let _whole = whole_process();
    let call = Call::new(WithoutKeys::Block);
    begin_zrtp(&call.stream);
    let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = [0u8; 1500];
    for round in 0..3000 {
        for byte in &mut buffer {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *byte = random as u8;
        }
        // Of every protocol that has a place there, and sometimes ZRTP's cookie.
        buffer[0] = [0, 0x10, 22, 64, 0x80, 0x90, 0xb5, 255][round % 8];
        if round % 3 == 0 {
            buffer[4..8].copy_from_slice(b"ZRTP");
        }
        let len = random as usize % (buffer.len() + 1);
        for component in Component::BOTH {
            let _ = socket.send_to(&buffer[..len], call.outer(component));
            let _ = call.pbx[component as usize].send_to(&buffer[..len], call.inner(component));
        }
        if round % 64 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(next(&call.pbx[0], NEVER), None);
    let counters = call.stream.counters();
    assert_eq!((counters.to_pbx.packets, counters.to_peer.packets), (0, 0));
    assert_eq!((counters.learned, counters.broken), ([None; 2], false));
    call.key();
    // A relay that had no time yet for what fills its sockets loses what comes then.
    let end = Instant::now() + SOON;
    let mut sent = Vec::new();
    let heard = loop {
        assert!(Instant::now() < end, "no packet gets through");
        let packet = rtp(sent.len() as u16);
        call.peer_sends(&packet);
        sent.push(packet);
        if let Some(packet) = next(&call.pbx[0], NEVER) {
            break packet;
        }
    };
    assert!(sent.contains(&heard));
}
