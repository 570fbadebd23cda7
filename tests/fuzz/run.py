#!/usr/bin/env python3
"""Builds the fuzz targets with coverage and runs each for some seconds on its checked-in corpus, one per processor.

    tests/fuzz/run.py SECONDS [TARGET]

Prints executions and coverage of each target; ends with 1 and the path of the reproducer if one fails. A reproducer runs
again by `<binary> <reproducer>`; the binary's path is printed, too. Needs a stable Rust toolchain and a C++ compiler.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = [
    "crypto_attribute",
    "rtp_unprotect",
    "rtcp_unprotect",
    "policy_config",
    "protect_headers",
    "kernels",
    "dtls_datagrams",
    "dtls_client_hello",
    "dtls_attributes",
    "leg",
    "offer_answer",
    "sdp_body",
    "session",
    "zrtp_message",
    "zrtp_packet",
    "zrtp_stream",
]
MAX_LEN = 9000  # bytes of input: more than the longest attribute that is read
RSS_LIMIT_MB = 1024
TIMEOUT_S = 10  # seconds for one input

# What cargo-fuzz would pass, less the address sanitizer, which needs a nightly toolchain.
COVERAGE = " ".join(
    ["-C passes=sancov-module", "--cfg fuzzing"]
    + [
        f"-C llvm-args=-sanitizer-coverage-{option}"
        for option in ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"]
    ]
)


def host_triple():
    text = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^host: (\S+)$", text, re.MULTILINE).group(1)


def build():
    """Builds all targets and returns the directory of the binaries."""
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
    host = host_triple()
    # Naming the target keeps the flags away from build scripts, which would not link.
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--bins", "--target", host],
        check=True,
        cwd=HERE,
        env={**os.environ, "RUSTFLAGS": COVERAGE, "CARGO_TARGET_DIR": str(target_dir)},
    )
    return target_dir / host / "release"


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run(binary, seconds):
    """Runs one target; true if nothing was found."""
    target = binary.name
    seeds = HERE / "corpus" / target
    artifacts = HERE / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as found:
        command = [
            binary,
            f"-max_total_time={seconds}",
            f"-max_len={MAX_LEN}",
            f"-rss_limit_mb={RSS_LIMIT_MB}",
            f"-timeout={TIMEOUT_S}",
            f"-artifact_prefix={artifacts}/",
            "-print_final_stats=1",
            found,  # new inputs go here, the seeds stay as they are
            seeds,
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    executions = number(r"stat::number_of_executed_units: (\d+)", done.stdout)
    edges = number(r"cov: (\d+)", done.stdout)
    seed_count = len(list(seeds.iterdir()))
    print(f"{target}: {executions} executions in {seconds} s from {seed_count} seeds, {edges} edges covered", flush=True)
    if done.returncode == 0 and executions > seed_count and edges > 0:
        return True
    reproducer = re.search(r"Test unit written to (\S+)", done.stdout)
    said = [
        *done.stdout.splitlines()[-40:],
        f"FAILED {target}: exit {done.returncode}, reproducer {reproducer.group(1) if reproducer else 'none'}",
        f"  again: {binary} {reproducer.group(1) if reproducer else seeds}",
    ]
    print("\n".join(said), flush=True)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=int, help="how long to run each target")
    parser.add_argument("target", nargs="?", choices=TARGETS, help="only this one")
    args = parser.parse_args()
    if not (shutil.which("c++") or shutil.which(os.environ.get("CXX", "c++"))):
        print("SKIPPED fuzz targets: no C++ compiler for libFuzzer (apt-get install g++)")
        return 0
    binaries = build()
    # Each target has a processor to itself.
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        targets = [args.target] if args.target else TARGETS
        results = list(pool.map(lambda target: run(binaries / target, args.seconds), targets))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
