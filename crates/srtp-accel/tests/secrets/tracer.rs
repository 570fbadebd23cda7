//! What a piece of code executes and touches, instruction by instruction: the processor traps after each of them.

use std::arch::asm;
use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Error;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, Register, UsedMemory,
};
use libc::{c_int, c_void, siginfo_t, ucontext_t};

/// The longest instruction of x86-64.
const LONGEST_INSTRUCTION: usize = 15;
/// More than any packet takes.
const MAX_STEPS: usize = 100_000;
/// The flag of the processor that makes it trap after each instruction.
const TRAP_FLAG: i64 = 1 << 8;
/// `si_code` of the trap of a breakpoint.
const SI_KERNEL: c_int = 0x80;

/// Instructions whose time depends on their operands: these must not depend on secrets either.
const UNSTEADY: [Mnemonic; 2] = [Mnemonic::Div, Mnemonic::Idiv];

/// Registers before an instruction.
type Registers = [i64; 23];

/// The address of each instruction, of whatever it reads or writes, and the operands of unsteady ones, in the order of execution.
#[derive(Default)]
pub struct Trace {
    values: Vec<u64>,
    instructions: usize,
}

impl Trace {
    pub fn instructions(&self) -> usize {
        self.instructions
    }

    /// Where the first difference is.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.values == other.values {
            return None;
        }
        let at = self.values.iter().zip(&other.values).take_while(|(a, b)| a == b).count();
        let [a, b] = [self, other].map(|trace| trace.values.get(at).copied().unwrap_or_default());
        let before = &self.values[at.saturating_sub(6)..at];
        Some(format!("address {at} of {} is {a:#x} or {b:#x}, after {before:x?}", self.values.len()))
    }
}

/// Steps through pieces of code, one tracer at a time.
pub struct Tracer {
    decoded: HashMap<u64, Decoded>,
    factory: InstructionInfoFactory,
    memory: File,
    steps: Box<Steps>,
}

struct Decoded {
    instruction: Instruction,
    memory: Vec<UsedMemory>,
}

struct Steps {
    registers: Vec<Registers>,
    too_many: bool,
}

/// Where steps go.
static STEPS: AtomicPtr<Steps> = AtomicPtr::new(null_mut());

impl Tracer {
    pub fn new() -> Self {
        Self {
            decoded: HashMap::new(),
            factory: InstructionInfoFactory::new(),
            memory: File::open("/proc/self/mem").expect("a process may read its own memory"),
            steps: Box::new(Steps { registers: Vec::with_capacity(MAX_STEPS), too_many: false }),
        }
    }

    /// Runs `code`, which must not panic.
    ///
    /// # Panics
    /// If `code` executes more than [`MAX_STEPS`] instructions, or one that takes several addresses out of a vector.
    #[inline(never)]
    pub fn trace(&mut self, code: &mut dyn FnMut()) -> Trace {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        self.steps.registers.clear();
        STEPS.store(&raw mut *self.steps, Ordering::SeqCst);
        handle_traps();
        let code = black_box(code);
        // SAFETY: the handler takes these traps: the first starts the stepping, the second ends it.
        unsafe { asm!("int3") };
        code();
        // SAFETY: as above.
        unsafe { asm!("int3") };
        drop(one);
        assert!(!self.steps.too_many, "the traced code does not end");

        let mut trace = Trace { instructions: self.steps.registers.len(), ..Trace::default() };
        for registers in &self.steps.registers {
            let at = registers[libc::REG_RIP as usize].cast_unsigned();
            let decoded =
                self.decoded.entry(at).or_insert_with(|| decode(&self.memory, &mut self.factory, at));
            trace.values.push(at);
            for memory in &decoded.memory {
                let address = memory.virtual_address(0, |register, _, _| value(registers, register));
                trace.values.push(address.unwrap_or_else(|| panic!("{:?}", decoded.instruction.code())));
            }
            if UNSTEADY.contains(&decoded.instruction.mnemonic()) {
                let operands = [Register::RAX, Register::RDX, decoded.instruction.op0_register()];
                trace.values.extend(
                    operands.map(|register| value(registers, register).expect("it is divided by a register")),
                );
            }
        }
        trace
    }
}

fn decode(memory: &File, factory: &mut InstructionInfoFactory, at: u64) -> Decoded {
    let mut bytes = [0; LONGEST_INSTRUCTION];
    let read = memory.read_at(&mut bytes, at).expect("what is executed can be read");
    let instruction = Decoder::with_ip(64, &bytes[..read], at, DecoderOptions::NONE).decode();
    assert!(instruction.code() != Code::INVALID, "no instruction at {at:#x}: {bytes:x?}");
    Decoded { instruction, memory: factory.info(&instruction).used_memory().to_vec() }
}

/// A breakpoint starts and ends the stepping, and every step is noted.
extern "C" fn on_trap(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system gives a handler of this kind both, and no one else has them.
    let (info, context) = unsafe { (&*info, &mut *context.cast::<ucontext_t>()) };
    let registers = &mut context.uc_mcontext.gregs;
    if info.si_code == SI_KERNEL {
        registers[libc::REG_EFL as usize] ^= TRAP_FLAG;
        return;
    }
    // SAFETY: the tracer that is stepping stands still until the handler returns, and its lock keeps others away.
    let steps = unsafe { &mut *STEPS.load(Ordering::SeqCst) };
    if steps.registers.len() < MAX_STEPS {
        steps.registers.push(*registers);
    } else {
        steps.too_many = true;
    }
}

fn handle_traps() {
    // SAFETY: zeros are a valid value.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_trap as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler calls nothing that a signal could have interrupted half way.
    let done = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, null_mut()) };
    assert_eq!(done, 0, "sigaction: {}", Error::last_os_error());
}

/// The value of a register that an address is made of. Segments count as 0: their bases stay.
fn value(registers: &Registers, register: Register) -> Option<u64> {
    let index = match register.full_register() {
        Register::RAX => libc::REG_RAX,
        Register::RBX => libc::REG_RBX,
        Register::RCX => libc::REG_RCX,
        Register::RDX => libc::REG_RDX,
        Register::RSI => libc::REG_RSI,
        Register::RDI => libc::REG_RDI,
        Register::RBP => libc::REG_RBP,
        Register::RSP => libc::REG_RSP,
        Register::R8 => libc::REG_R8,
        Register::R9 => libc::REG_R9,
        Register::R10 => libc::REG_R10,
        Register::R11 => libc::REG_R11,
        Register::R12 => libc::REG_R12,
        Register::R13 => libc::REG_R13,
        Register::R14 => libc::REG_R14,
        Register::R15 => libc::REG_R15,
        Register::CS | Register::DS | Register::ES | Register::SS | Register::FS | Register::GS => {
            return Some(0);
        }
        _ => return None,
    };
    let value = registers[index as usize].cast_unsigned();
    Some(if register.is_gpr32() { u64::from(value as u32) } else { value })
}
