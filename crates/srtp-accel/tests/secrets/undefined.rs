//! On what valgrind knows the instructions of: no branch and no address depends on keys or payloads, whatever they are.
//! It is told that they are undefined, follows what is made of them, and counts each branch and address that depends on it.
//! Of these there is one in each opening: the verdict, which the receiver shows anyway.

use std::arch::asm;
use std::hint::black_box;
use std::process::Command;

use sealrtp_srtp_accel::{CmHmacSha1, Gcm, Path};

use crate::suite::Suite;
use crate::suite::random::Random;

/// Client requests of valgrind's core and of its memcheck.
const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
const MAKE_MEM_UNDEFINED: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16 | 1;
const MAKE_MEM_DEFINED: usize = MAKE_MEM_UNDEFINED + 1;

const HEADER: usize = 12;
const PAYLOADS: [usize; 15] = [0, 1, 15, 16, 20, 33, 63, 64, 65, 100, 160, 200, 255, 333, 1200];
/// What depends on a comparison of tags: the verdict.
const VERDICT: usize = 1;
/// The same where `subtle` compares: its debug assertion that the verdict is one comes to it.
const ASSERTED_VERDICT: usize = VERDICT + cfg!(debug_assertions) as usize;
/// What the test prints when valgrind runs it.
const COMPARED: &str = "kernels with undefined secrets:";

/// Asks valgrind; the answer is 0 where it does not run.
fn request(code: usize, a: usize, b: usize) -> usize {
    let arguments = [code, a, b, 0, 0, 0];
    let mut answer = 0;
    // SAFETY: the rotations come to 128 bits and rbx is exchanged with itself: they do nothing, except that valgrind knows them.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inlateout("rdx") answer,
        );
    }
    answer
}

/// As if it were written: a compiler that knows what is in `secret` must forget it.
fn hide(secret: &mut [u8]) {
    request(MAKE_MEM_UNDEFINED, secret.as_mut_ptr() as usize, secret.len());
}

fn show(result: &[u8]) {
    request(MAKE_MEM_DEFINED, result.as_ptr() as usize, result.len());
}

/// Branches and addresses in `code` that depend on what is hidden.
fn dependent<R>(code: impl FnOnce() -> R) -> (usize, R) {
    let before = request(COUNT_ERRORS, 0, 0);
    let result = black_box(code());
    (request(COUNT_ERRORS, 0, 0) - before, result)
}

/// How many packets went through kernels.
fn every_kernel<S: Suite>(verdict: usize) -> usize {
    let random = &mut Random::seeded();
    let mut packets = 0;
    for path in Path::available() {
        for &key_len in S::KEY_LENS {
            for payload in PAYLOADS {
                let case = format!("{path}, key of {key_len}, payload of {payload}");
                let given = random.given(key_len);
                let mut packet = random.bytes(HEADER + payload);
                let plain = packet.clone();
                let (sealed, tag) = S::expected(&given, &plain, HEADER);

                let (mut key, mut auth) = (given.key.clone(), given.auth);
                hide(&mut key);
                hide(&mut auth);
                let (told, kernel) = dependent(|| S::new(path, &key, &auth));
                let Some(kernel) = kernel else { continue };
                assert_eq!(told, 0, "{case}: the expansion of the key");

                hide(&mut packet[HEADER..]);
                let (told, made) = dependent(|| kernel.seal(&given, &mut packet, HEADER, plain.len()));
                assert_eq!(told, 0, "{case}: sealing");
                show(&packet);
                show(made.as_ref());
                assert!(packet == sealed && made.as_ref() == tag, "{case}");

                let mut wrong = tag.clone();
                random.flip(&mut wrong);
                for (received, expected) in [(&wrong, false), (&tag, true)] {
                    let (told, opened) =
                        dependent(|| [u8::from(kernel.open(&given, &mut packet, HEADER, received))]);
                    show(&opened);
                    assert_eq!(opened, [u8::from(expected)], "{case}");
                    assert_eq!(told, verdict, "{case}: opening has but its verdict to tell");
                }
                show(&packet);
                assert!(packet == plain, "{case}");
                packets += 1;
            }
        }
    }
    packets
}

/// Otherwise valgrind would count nothing. In assembler, since a compiler may do without the branch.
fn counts_a_branch_and_an_address() {
    static TABLE: [u8; 256] = [1; 256];
    let mut secret = [5];
    hide(&mut secret);
    let [secret] = secret;
    // SAFETY: jumps over nothing.
    let (told, ()) = dependent(|| unsafe {
        asm!("test {0}, 1", "jz 2f", "nop", "2:", in(reg_byte) secret, options(nomem, nostack));
    });
    assert_eq!(told, 1, "a branch was not counted");
    // SAFETY: reads a byte of the table, which has one for each byte.
    let (told, _) = dependent(|| unsafe {
        let mut read = u64::from(secret);
        asm!("movzx {0:e}, byte ptr [{1} + {0}]", inout(reg) read, in(reg) TABLE.as_ptr(), options(readonly, nostack));
        read
    });
    assert_eq!(told, 1, "an address was not counted");
}

#[test]
fn valgrind_finds_nothing_that_depends_on_undefined_secrets() {
    if request(RUNNING_ON_VALGRIND, 0, 0) != 0 {
        counts_a_branch_and_an_address();
        println!(
            "{COMPARED} {}",
            every_kernel::<CmHmacSha1>(ASSERTED_VERDICT) + every_kernel::<Gcm>(VERDICT)
        );
        return;
    }
    let this = std::env::current_exe().expect("a process knows its program");
    let name = "undefined::valgrind_finds_nothing_that_depends_on_undefined_secrets";
    let run = Command::new("valgrind")
        .args(["--error-limit=no", "--quiet"])
        .arg(this)
        .args([name, "--exact", "--nocapture"])
        .output();
    let Ok(run) = run else {
        println!("SKIPPED kernels with undefined secrets: valgrind is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let line = said.lines().find(|line| line.starts_with(COMPARED)).expect("the test says what it compared");
    println!("{line}");
    if line.ends_with(" 0") {
        println!("SKIPPED kernels with undefined secrets: this valgrind knows the instructions of no path");
    }
}
