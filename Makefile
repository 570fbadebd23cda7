# SealRTP's commands. `make demo` and `make test` install what they need (apt, a Python venv) and say so.

PBX ?= all
SECONDS_EACH ?= 60
PREFIX ?= /usr
MODULES ?= $(firstword $(wildcard $(PREFIX)/lib/*/asterisk/modules $(PREFIX)/lib/asterisk/modules))

.PHONY: all check test demo bench fuzz header module lib install uninstall clean

all: lib

# Format, lints, unit and property tests, the header: the inner loop.
check:
	python3 tests/run.py check

# Everything: check, fuzzing, the C client, real PBXs with real calls.
test:
	python3 tests/run.py test

# Real calls through real PBXs with the module loaded; PBX=asterisk22, asterisk16-pjsip, asterisk16-sip, freeswitch or all.
demo:
	python3 tests/run.py demo --pbx $(PBX)

# Our packet path beside libsrtp's, in one process.
bench:
	python3 tests/run.py bench

fuzz:
	python3 tests/run.py fuzz --seconds $(SECONDS_EACH)

header:
	SEALRTP_BLESS=1 cargo test --quiet -p sealrtp --test header

# target/release/res_sealrtp.so and res_sealrtp_pjsip.so for the Asterisk whose headers are in /usr/include (or SEALRTP_ASTERISK_INCLUDE).
module:
	cargo build --release --locked -p res_sealrtp -p res_sealrtp_pjsip
	@nm --defined-only target/release/libres_sealrtp.so | grep -q ' __internal_res_sealrtp_self$$' || \
		{ echo "no Asterisk headers found: install your Asterisk's -dev package, or set SEALRTP_ASTERISK_INCLUDE"; exit 1; }
	install -m 0644 target/release/libres_sealrtp.so target/release/res_sealrtp.so
	install -m 0644 target/release/libres_sealrtp_pjsip.so target/release/res_sealrtp_pjsip.so

# libsealrtp.so and libsealrtp.a with nothing but sealrtp_* to see, in target/lib.
lib:
	cargo build --release --locked -p sealrtp
	install -d target/lib
	install -m 0644 target/release/libsealrtp.so target/lib/
	ld -r --whole-archive target/release/libsealrtp.a -o target/lib/sealrtp.o
	objcopy --wildcard --keep-global-symbol='sealrtp_*' --remove-section=.llvmbc --remove-section=.llvmcmd --strip-debug target/lib/sealrtp.o
	rm -f target/lib/libsealrtp.a
	ar rcs target/lib/libsealrtp.a target/lib/sealrtp.o
	rm target/lib/sealrtp.o

install: module
	@test -n "$(MODULES)" || { echo "no Asterisk module folder under $(PREFIX)/lib: set MODULES=..."; exit 1; }
	install -m 0644 target/release/res_sealrtp.so target/release/res_sealrtp_pjsip.so $(DESTDIR)$(MODULES)/
	test -e $(DESTDIR)/etc/asterisk/sealrtp.conf || install -D -m 0640 asterisk_module/sealrtp.conf.sample $(DESTDIR)/etc/asterisk/sealrtp.conf

uninstall:
	rm -f $(DESTDIR)$(MODULES)/res_sealrtp.so $(DESTDIR)$(MODULES)/res_sealrtp_pjsip.so

clean:
	cargo clean
