//! The file as the system sees it: what stands there, who may read it, how it is set aside. Nothing here opens the file
//! itself: closing it would drop the locks that SQLite holds on it for this process (POSIX advisory locks).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, CWD, FlockOperation, accessat, flock};

use crate::error::OpenError;
use crate::row::Millis;

/// Most files that are set aside beside a cache. None is ever deleted.
pub const MAX_SET_ASIDE: usize = 10;

/// What SQLite keeps beside the file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How often a lock that another holds is asked for.
const RETRY: Duration = Duration::from_millis(5);

/// Which file a path names: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

/// What stands at the path.
pub(crate) enum Found {
    Nothing,
    /// A file with content; whether others could read or write it, or its companions.
    File {
        identity: Identity,
        open_to_others: bool,
    },
    /// Nothing of ours, and to be set aside.
    Foreign(&'static str),
}

/// Where a cache is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    path: PathBuf,
}

fn with(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut longer = OsString::from(path);
    longer.push(suffix);
    longer.into()
}

impl Place {
    /// Symbolic links may lead to the folder, but the file itself must be none.
    pub fn new(path: &Path) -> Result<Self, OpenError> {
        let name = path.file_name().ok_or_else(|| OpenError::NoFile(path.to_owned()))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(parent).map_err(|error| folder_error(parent, &error))?;
        Ok(Self { path: folder.join(name), folder })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a new file is made before it gets its name.
    pub fn draft(&self) -> PathBuf {
        with(&self.path, ".new")
    }

    /// A device, socket or folder in use is an error: what others need is not moved away.
    pub fn look(&self) -> Result<Found, OpenError> {
        let refuse = |what| Err(OpenError::NotAFile { file: self.path.clone(), what });
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(folder_error(&self.folder, &error)),
        };
        let kind = metadata.file_type();
        if kind.is_symlink() {
            return Ok(Found::Foreign("it is a symbolic link"));
        }
        if kind.is_dir() {
            let mut content = fs::read_dir(&self.path).map_err(|error| self.access_error(&error))?;
            return if content.next().is_none() {
                Ok(Found::Foreign("it is a folder"))
            } else {
                refuse("a folder with something in it")
            };
        }
        if kind.is_char_device() || kind.is_block_device() {
            return refuse("a device");
        }
        if kind.is_fifo() || kind.is_socket() {
            return refuse("a pipe or a socket");
        }
        if metadata.len() == 0 {
            return Ok(Found::Foreign("it is empty"));
        }
        for suffix in COMPANIONS {
            if fs::symlink_metadata(with(&self.path, suffix)).is_ok_and(|companion| !companion.is_file()) {
                return Ok(Found::Foreign("what stands beside it (-wal, -shm, -journal) is no file"));
            }
        }
        let loose = |metadata: &Metadata| metadata.permissions().mode() & 0o077 != 0;
        let companions =
            COMPANIONS.iter().filter_map(|suffix| fs::symlink_metadata(with(&self.path, suffix)).ok());
        let open_to_others = loose(&metadata) || companions.into_iter().any(|companion| loose(&companion));
        Ok(Found::File { identity: Identity(metadata.dev(), metadata.ino()), open_to_others })
    }

    /// Which file it is now.
    pub fn identity(&self) -> Option<Identity> {
        fs::symlink_metadata(&self.path).ok().map(|metadata| Identity(metadata.dev(), metadata.ino()))
    }

    /// Takes the file and its companions from others' eyes.
    pub fn make_private(&self) -> Result<(), OpenError> {
        let private = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o600));
        private(&self.path).map_err(|error| self.access_error(&error))?;
        for suffix in COMPANIONS {
            match private(&with(&self.path, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.access_error(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// This process may read and write the file, and make files beside it.
    pub fn accessible(&self) -> Result<(), OpenError> {
        let allowed =
            |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS).map_err(io::Error::from);
        allowed(&self.folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| folder_error(&self.folder, &error))?;
        match allowed(&self.path, Access::READ_OK | Access::WRITE_OK) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.access_error(&error)),
            _ => Ok(()),
        }
    }

    fn access_error(&self, error: &io::Error) -> OpenError {
        OpenError::Access { file: self.path.clone(), reason: error.to_string() }
    }

    /// Keeps other processes, and other threads of this one, from making and moving the file. Waits for them until then; ends
    /// when it is dropped.
    pub fn lock(&self, until: Instant) -> Result<File, OpenError> {
        let folder = File::open(&self.folder).map_err(|error| folder_error(&self.folder, &error))?;
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(folder),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(RETRY),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::Locked(self.folder.clone())),
                Err(errno) => return Err(folder_error(&self.folder, &errno.into())),
            }
        }
    }

    /// Moves what stands there out of the way, with its companions, under the lock. `None`: nothing stood there.
    pub fn set_aside(&self, now: Millis, reason: &str) -> Result<Option<PathBuf>, OpenError> {
        let there = |path: &Path| fs::symlink_metadata(path).is_ok();
        let movable: Vec<&str> =
            std::iter::once("").chain(COMPANIONS).filter(|suffix| there(&with(&self.path, suffix))).collect();
        if movable.is_empty() {
            return Ok(None);
        }
        if self.lying_aside()? >= MAX_SET_ASIDE {
            return Err(OpenError::TooManySetAside { file: self.path.clone(), reason: reason.into() });
        }
        let mut second = now / 1000;
        let aside = loop {
            let aside = with(&self.path, format!(".damaged-{second}"));
            if !std::iter::once("").chain(COMPANIONS).any(|suffix| there(&with(&aside, suffix))) {
                break aside;
            }
            second += 1;
        };
        for suffix in movable {
            fs::rename(with(&self.path, suffix), with(&aside, suffix))
                .map_err(|error| folder_error(&self.folder, &error))?;
        }
        Ok(Some(aside))
    }

    fn lying_aside(&self) -> Result<usize, OpenError> {
        let error = |error: io::Error| folder_error(&self.folder, &error);
        let mut prefix = self.path.file_name().unwrap_or_default().to_owned();
        prefix.push(".damaged-");
        let mut stamps = std::collections::HashSet::new();
        for entry in fs::read_dir(&self.folder).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            if let Some(rest) = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes()) {
                stamps.insert(rest.iter().copied().take_while(u8::is_ascii_digit).collect::<Vec<_>>());
            }
        }
        Ok(stamps.len())
    }

    /// An empty file that only its owner can read, for SQLite to fill.
    pub fn make_draft(&self) -> Result<PathBuf, OpenError> {
        let error = |error: io::Error| folder_error(&self.folder, &error);
        let draft = self.draft();
        self.drop_draft()?;
        let mut options = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
        drop(options.open(&draft).map_err(error)?);
        // Whatever the umask took away.
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).map_err(error)?;
        Ok(draft)
    }

    /// Removes what a process left that was ended while it made a new file.
    pub fn drop_draft(&self) -> Result<(), OpenError> {
        let draft = self.draft();
        for suffix in std::iter::once("").chain(COMPANIONS) {
            match fs::remove_file(with(&draft, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(folder_error(&self.folder, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The draft gets the cache's name, if nothing has it, and both survive a power loss.
    pub fn publish_draft(&self, owner: Option<(u32, u32)>) -> Result<(), OpenError> {
        let error = |error: io::Error| folder_error(&self.folder, &error);
        let draft = self.draft();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&draft, Some(user), Some(group)).map_err(error)?;
        }
        match fs::symlink_metadata(&self.path) {
            Err(absent) if absent.kind() == io::ErrorKind::NotFound => {}
            Err(other) => return Err(error(other)),
            Ok(_) => return Err(error(io::ErrorKind::AlreadyExists.into())),
        }
        fs::rename(&draft, &self.path).map_err(error)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(error)
    }

    /// Whose the file is, where this process is root and may give a new one to the same user.
    pub fn owner_to_keep(&self) -> Option<(u32, u32)> {
        let root = rustix::process::geteuid().is_root();
        let metadata = fs::symlink_metadata(&self.path).or_else(|_| fs::metadata(&self.folder)).ok()?;
        root.then(|| (metadata.uid(), metadata.gid()))
    }
}

fn folder_error(folder: &Path, error: &io::Error) -> OpenError {
    OpenError::Folder { folder: folder.to_owned(), reason: error.to_string() }
}
