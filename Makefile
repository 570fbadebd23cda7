# SealRTP's commands. `make demo` and `make test` install what they need (apt, a Python venv) and say so.

PBX ?= all
SECONDS_EACH ?= 60
# Of freeswitch-module: cargo's profile (dev or release).
PROFILE ?= release
BUILT := $(or $(CARGO_TARGET_DIR),target)/$(subst dev,debug,$(PROFILE))
FREESWITCH_PKG_CONFIG = PKG_CONFIG_PATH="$(if $(FREESWITCH_PREFIX),$(FREESWITCH_PREFIX)/lib/pkgconfig:)$$PKG_CONFIG_PATH" pkg-config
FREESWITCH_MODULES ?= $(shell $(FREESWITCH_PKG_CONFIG) --variable=modulesdir freeswitch 2>/dev/null)
FREESWITCH_CONFIG ?= $(shell $(FREESWITCH_PKG_CONFIG) --variable=confdir freeswitch 2>/dev/null)/autoload_configs
PREFIX ?= /usr
MODULES ?= $(firstword $(wildcard $(PREFIX)/lib/*/asterisk/modules $(PREFIX)/lib/asterisk/modules))

.PHONY: all check test demo bench performance bench-asterisk bench-freeswitch fuzz header module lib install uninstall freeswitch-module freeswitch-install freeswitch-uninstall clean

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

# The tables and plots of docs/performance.md, measured anew; on a quiet machine. LIBSRTP: other builds of libsrtp 2.x to measure beside.
performance:
	python3 tests/run.py performance $(addprefix --libsrtp ,$(LIBSRTP))

# CPU time per call through Asterisk 22: clear, its own SRTP, ours; a quarter of an hour, for a machine that does nothing else.
bench-asterisk:
	python3 tests/run.py bench-asterisk

# CPU time per call through FreeSWITCH, ours beside its own SRTP; needs FreeSWITCH with its headers.
bench-freeswitch:
	python3 tests/run.py bench-freeswitch

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

# mod_sealrtp.so for the FreeSWITCH that pkg-config knows, or that is in FREESWITCH_PREFIX: one symbol to see. It stays in memory when it
# is unloaded, because OpenSSL and threads may still know addresses in it; a newer one takes a restart of FreeSWITCH.
freeswitch-module:
	$(if $(FREESWITCH_PREFIX),FREESWITCH_PREFIX=$(FREESWITCH_PREFIX)) cargo build --locked --profile $(PROFILE) -p mod_sealrtp
	@nm $(BUILT)/libmod_sealrtp.a 2>/dev/null | grep -q ' mod_sealrtp_module_interface$$' || \
		{ echo "no FreeSWITCH headers found: install your FreeSWITCH's -dev package (pkg-config must know it), or set FREESWITCH_PREFIX"; exit 1; }
	$(CC) -shared -o $(BUILT)/mod_sealrtp.so -Wl,-u,mod_sealrtp_module_interface -Wl,--version-script=freeswitch_module/mod_sealrtp.map \
		-Wl,-Bsymbolic -Wl,--gc-sections -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete $(LDFLAGS) $(BUILT)/libmod_sealrtp.a -lssl -lcrypto -lpthread -ldl -lm
	@test "$$(nm -D --defined-only $(BUILT)/mod_sealrtp.so | awk '{ print $$3 }')" = mod_sealrtp_module_interface || \
		{ echo "$(BUILT)/mod_sealrtp.so shows more than its interface"; exit 1; }

freeswitch-install: freeswitch-module
	@test -n "$(FREESWITCH_MODULES)" || { echo "pkg-config does not know FreeSWITCH's modulesdir: set FREESWITCH_MODULES=... and FREESWITCH_CONFIG=..."; exit 1; }
	install -m 0644 $(BUILT)/mod_sealrtp.so $(DESTDIR)$(FREESWITCH_MODULES)/
	test -e $(DESTDIR)$(FREESWITCH_CONFIG)/sealrtp.conf.xml || \
		install -D -m 0640 freeswitch_module/sealrtp.conf.xml $(DESTDIR)$(FREESWITCH_CONFIG)/sealrtp.conf.xml

freeswitch-uninstall:
	rm -f $(DESTDIR)$(FREESWITCH_MODULES)/mod_sealrtp.so

clean:
	cargo clean
