//! The thread that owns the file, so that a disk that hangs holds up no call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use sealrtp_zrtp::CacheError;

use crate::database::Database;

/// Requests that wait, at most.
const QUEUE: usize = 256;

type Request = Box<dyn FnOnce(&mut Database) + Send>;

pub(crate) struct Worker {
    requests: RwLock<Option<SyncSender<Request>>>,
    thread: Option<JoinHandle<()>>,
    /// A request took longer than its caller waited, and still runs: the next callers do not wait for it.
    late: Arc<AtomicBool>,
}

impl Worker {
    pub fn start(mut database: Database) -> Result<Self, std::io::Error> {
        let (requests, incoming) = sync_channel::<Request>(QUEUE);
        let late = Arc::new(AtomicBool::new(false));
        let done = late.clone();
        let thread = std::thread::Builder::new().name("sealrtp-zid-cache".into()).spawn(move || {
            for request in incoming {
                request(&mut database);
                done.store(false, Ordering::Release);
            }
        })?;
        Ok(Self { requests: RwLock::new(Some(requests)), thread: Some(thread), late })
    }

    /// Runs `operation` on the thread and waits at most `patience`. What has begun goes on without its caller.
    pub fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        operation: impl FnOnce(&mut Database) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        let slow = || CacheError("the disk does not answer in time".into());
        if self.late.load(Ordering::Acquire) {
            return Err(slow());
        }
        // Without room: what is sent has been received, so a caller that goes at this moment has had it or has not.
        let (answer, answered) = sync_channel(0);
        let request: Request = Box::new(move |database| {
            let result = database.news().map_or_else(|| operation(database), Err);
            // A caller that has gone hears of nothing: the next one does.
            if answer.send(result).is_ok() {
                database.told();
            }
        });
        let ended = || CacheError("its thread has ended".into());
        match self
            .requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|to| to.try_send(request))
        {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => return Err(slow()),
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(ended()),
        }
        match answered.recv_timeout(patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
            Err(RecvTimeoutError::Timeout) => {
                self.late.store(true, Ordering::Release);
                // It may have been answered just now, and then nothing else would clear the mark.
                answered.try_recv().map_or_else(
                    |_| Err(slow()),
                    |result| {
                        self.late.store(false, Ordering::Release);
                        result
                    },
                )
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.requests.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread::sleep;
    use std::time::{Instant, SystemTime};

    use sealrtp_zrtp::message::Zid;

    use crate::row::Key;

    const KEY: Key = Key { own: Zid([2; 12]), peer: Zid([1; 12]) };

    /// Longer than a machine that is busy holds up a thread.
    const LONG: Duration = Duration::from_secs(120);

    /// In memory where the system has that: a disk that others keep busy is no part of these tests.
    fn worker(name: &str) -> (Worker, std::path::PathBuf) {
        let memory = std::path::Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("sealrtp-zid-cache-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let (database, _) = Database::open(&folder.join("zid.db"), Box::new(SystemTime::now)).unwrap();
        (Worker::start(database).unwrap(), folder)
    }

    #[test]
    fn who_comes_next_hears_of_a_file_set_aside_if_the_caller_had_gone() {
        let (worker, folder) = worker("news");
        std::fs::write(folder.join("other"), "no cache").unwrap();
        std::fs::rename(folder.join("other"), folder.join("zid.db")).unwrap();
        let begin = Arc::new(Barrier::new(2));
        let begun = begin.clone();
        let gone = worker.ask(Duration::ZERO, move |database| {
            begun.wait();
            database.load(&KEY)
        });
        assert!(gone.is_err());
        begin.wait();
        let until = Instant::now() + LONG;
        let load = || worker.ask(LONG, |database| database.load(&KEY));
        let told = loop {
            match load() {
                Err(error) if error.0.contains("in time") && Instant::now() < until => {
                    sleep(Duration::from_millis(1))
                }
                answer => break answer,
            }
        };
        assert!(told.clone().is_err_and(|error| error.0.contains(".damaged-")), "{told:?}");
        assert_eq!(load(), Ok(None), "once");
        drop(worker);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn news_are_told_to_one_caller_even_if_he_goes_at_the_moment_they_come() {
        let (worker, folder) = worker("moment");
        let mut went = 0;
        // As long as to the moment at which callers of this machine go: that is looked for, and then hovered about.
        let mut work = Duration::ZERO;
        for round in 0..2000_u32 {
            let took = work;
            let first = worker.ask(Duration::from_micros(25), move |database| {
                let begin = Instant::now();
                while begin.elapsed() < took {}
                let news = CacheError(format!("round {round}"));
                database.set_news(news.clone());
                Err::<(), _>(news)
            });
            let is_told = |error: &CacheError| error.0 == format!("round {round}");
            let second = loop {
                match worker.ask(LONG, |database| database.load(&KEY)) {
                    Err(error) if error.0.contains("in time") => std::thread::yield_now(),
                    answer => break answer,
                }
            };
            let told =
                [first.as_ref().err(), second.as_ref().err()].into_iter().flatten().filter(|it| is_told(it));
            assert_eq!(told.count(), 1, "{first:?}, then {second:?}");
            if second.is_err() {
                went += 1;
                work = work.saturating_sub(Duration::from_micros(1 + u64::from(round % 7)));
            } else {
                work += Duration::from_micros(1 + u64::from(round % 5));
            }
        }
        assert!(went > 0, "some went");
        drop(worker);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_disk_that_hangs_holds_up_one_call_for_its_patience_and_the_next_ones_not_at_all() {
        let (worker, folder) = worker("worker");
        let patience = Duration::from_millis(50);
        let hang = Arc::new(Barrier::new(2));
        let disk = hang.clone();
        let start = Instant::now();
        let late = worker.ask(patience, move |_| {
            disk.wait();
            Ok(())
        });
        assert!(late.is_err() && start.elapsed() >= patience);
        let start = Instant::now();
        for _ in 0..1000 {
            assert!(worker.ask(LONG, |database| database.load(&KEY)).is_err());
        }
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
        hang.wait();
        let until = Instant::now() + LONG;
        while worker.ask(patience, |database| database.load(&KEY)) != Ok(None) {
            assert!(Instant::now() < until, "it answers again once the disk does");
            sleep(Duration::from_millis(1));
        }
        drop(worker);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
