//! The two builds of libsrtp and their functions.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use libloading::os::unix::{Library as SharedObject, RTLD_LOCAL, RTLD_NOW};
use srtp2_sys as sys;

pub(crate) type Ctx = sys::srtp_t;
pub(crate) type Status = sys::srtp_err_status_t;
pub(crate) type Transform = unsafe extern "C" fn(Ctx, *mut c_void, *mut c_int, c_uint, c_uint) -> Status;
pub(crate) type Open = unsafe extern "C" fn(Ctx, *mut c_void, *mut c_int, c_uint) -> Status;

/// libsrtp's functions, from the linked archive or from a shared object.
pub(crate) struct Functions {
    init: unsafe extern "C" fn() -> Status,
    version: unsafe extern "C" fn() -> *const c_char,
    pub(crate) create: unsafe extern "C" fn(*mut Ctx, *const sys::srtp_policy_t) -> Status,
    pub(crate) dealloc: unsafe extern "C" fn(Ctx) -> Status,
    pub(crate) protect: Transform,
    pub(crate) protect_rtcp: Transform,
    pub(crate) unprotect: Open,
    pub(crate) unprotect_rtcp: Open,
    pub(crate) set_roc: unsafe extern "C" fn(Ctx, u32, u32) -> Status,
    pub(crate) get_roc: unsafe extern "C" fn(Ctx, u32, *mut u32) -> Status,
}

/// One build of libsrtp, initialised.
pub struct Library {
    name: String,
    version: String,
    pub(crate) functions: Functions,
}

/// Why a build of libsrtp cannot be used here; a test that needs it prints this as SKIPPED.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SKIPPED: {name} cannot be used: {reason}")]
pub struct Absent {
    name: String,
    reason: String,
}

const LIBSRTP_SO: &str = "libsrtp2.so.1";

impl Library {
    /// The build on OpenSSL that is linked into this program.
    ///
    /// # Panics
    /// If libsrtp's self-tests fail.
    pub fn openssl() -> &'static Self {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            sys::__ensure_openssl_linked();
            let functions = Functions {
                init: sys::srtp_init,
                version: sys::srtp_get_version_string,
                create: sys::srtp_create,
                dealloc: sys::srtp_dealloc,
                protect: sys::srtp_protect_mki,
                protect_rtcp: sys::srtp_protect_rtcp_mki,
                unprotect: sys::srtp_unprotect_mki,
                unprotect_rtcp: sys::srtp_unprotect_rtcp_mki,
                set_roc: sys::srtp_set_stream_roc,
                get_roc: sys::srtp_get_stream_roc,
            };
            Self::start("libsrtp-openssl", functions).expect("the linked libsrtp starts")
        })
    }

    /// Debian's own build, on NSS: what Debian's Asterisk uses. Package `libsrtp2-1`.
    ///
    /// # Errors
    /// [`Absent`] if the package is not installed or does not start.
    pub fn debian() -> Result<&'static Self, Absent> {
        static LIBRARY: OnceLock<Result<Library, Absent>> = OnceLock::new();
        LIBRARY
            .get_or_init(|| Self::load("libsrtp-debian", Path::new(LIBSRTP_SO)))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Any other build of libsrtp 2.x, from a shared object. It stays loaded until the program ends.
    ///
    /// # Errors
    /// [`Absent`] if there is none, it is not a 2.x, or it does not start.
    pub fn open(path: &Path) -> Result<&'static Self, Absent> {
        let library = Self::load("libsrtp", path)?;
        let name = library.version.replace("libsrtp2 ", "libsrtp-");
        Ok(Box::leak(Box::new(Self { name, ..library })))
    }

    fn load(name: &str, path: &Path) -> Result<Self, Absent> {
        let absent = |reason: String| Absent { name: format!("{name} ({})", path.display()), reason };
        // LOCAL and DEEPBIND keep its srtp_* apart from those linked into this program.
        let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: the object is a libsrtp; its constructors do nothing but what the loader does for any program.
        let object = unsafe { SharedObject::open(Some(path), flags) }.map_err(|e| absent(cause(&e)))?;
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field's type is the prototype of this function in srtp.h, the same in all of 2.x.
                *unsafe { object.get($name.to_bytes()) }.map_err(|e| absent(cause(&e)))?
            };
        }
        let functions = Functions {
            init: symbol!(c"srtp_init"),
            version: symbol!(c"srtp_get_version_string"),
            create: symbol!(c"srtp_create"),
            dealloc: symbol!(c"srtp_dealloc"),
            protect: symbol!(c"srtp_protect_mki"),
            protect_rtcp: symbol!(c"srtp_protect_rtcp_mki"),
            unprotect: symbol!(c"srtp_unprotect_mki"),
            unprotect_rtcp: symbol!(c"srtp_unprotect_rtcp_mki"),
            set_roc: symbol!(c"srtp_set_stream_roc"),
            get_roc: symbol!(c"srtp_get_stream_roc"),
        };
        std::mem::forget(object); // never unloaded: the functions are used until the program ends
        let library = Self::start(name, functions)?;
        // srtp_policy_t of the linked 2.3.0 and of Debian's 2.5.0 have one layout: the headers differ in comments and in
        // the type, not the place or size, of the pointer `ekt`/`deprecated_ekt`. 3.x changed the structure.
        if !library.version.contains(" 2.") {
            return Err(absent(format!("version {:?} is not a 2.x", library.version)));
        }
        Ok(library)
    }

    fn start(name: &str, functions: Functions) -> Result<Self, Absent> {
        // SAFETY: called once per library, by its constructor, before any other function of it.
        let status = unsafe { (functions.init)() };
        if status != sys::srtp_err_status_t_srtp_err_status_ok {
            return Err(Absent { name: name.to_owned(), reason: format!("srtp_init says {status}") });
        }
        // SAFETY: returns a static, NUL-terminated string.
        let version = unsafe { CStr::from_ptr((functions.version)()) };
        Ok(Self { name: name.to_owned(), version: version.to_string_lossy().into_owned(), functions })
    }

    /// `libsrtp-openssl`, `libsrtp-debian`, or `libsrtp-` and the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the library says of its version, e.g. `libsrtp2 2.5.0`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// What the loader said; the error itself only tells which of its functions failed.
fn cause(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.version)
    }
}
