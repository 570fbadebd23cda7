/*
 * A libbzrtp end point on stdin and stdout, one command a line, each answered by lines that end with "done":
 * time and datagrams come from the caller, so that it runs in the caller's time.
 *
 *	set TYPE ALGO...	algorithms of a type, numbers of bzrtp.h
 *	aux HEX			auxiliary secret
 *	cache FILE		SQLite cache
 *	start			first channel
 *	channel			second channel
 *	hello-hash CHANNEL VALUE	the peer's a=zrtp-hash
 *	time MS			timers
 *	packet CHANNEL HEX	a datagram
 *	verified | unverified	the user compared the SAS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bzrtp/bzrtp.h>

/* libsqlite3, whose header bzrtp does not need either. */
int sqlite3_open(const char *filename, void **db);

#define CHANNELS 2
#define LINE_MAX_BYTES 8192

static const uint32_t ssrcs[CHANNELS] = {0x1001, 0x1002};
static int numbers[CHANNELS] = {0, 1};

static void print_hex(const uint8_t *bytes, size_t len)
{
	size_t i;

	putchar(' ');
	if (!len) {
		putchar('-');
	}
	for (i = 0; i < len; i++) {
		printf("%02x", bytes[i]);
	}
}

static size_t read_hex(const char *text, uint8_t *out, size_t size)
{
	size_t len = 0;
	unsigned int byte;

	while (len < size && sscanf(text + 2 * len, "%2x", &byte) == 1) {
		out[len++] = byte;
	}
	return len;
}

static int on_send(void *data, const uint8_t *packet, uint16_t len)
{
	printf("send %d", *(int *)data);
	print_hex(packet, len);
	putchar('\n');
	return 0;
}

static int on_secrets(void *data, const bzrtpSrtpSecrets_t *s, uint8_t part)
{
	if (part & ZRTP_SRTP_SECRETS_FOR_SENDER) {
		printf("sender %d", *(int *)data);
		print_hex(s->selfSrtpKey, s->selfSrtpKeyLength);
		print_hex(s->selfSrtpSalt, s->selfSrtpSaltLength);
		putchar('\n');
	}
	if (part & ZRTP_SRTP_SECRETS_FOR_RECEIVER) {
		printf("receiver %d", *(int *)data);
		print_hex(s->peerSrtpKey, s->peerSrtpKeyLength);
		print_hex(s->peerSrtpSalt, s->peerSrtpSaltLength);
		putchar('\n');
	}
	return 0;
}

static int on_start(void *data, const bzrtpSrtpSecrets_t *s, int32_t verified)
{
	printf("secure %d sas=%s verified=%d mismatch=%d aux=%d hash=%x cipher=%x auth=%x ka=%x sas_type=%x\n",
		*(int *)data, s->sas && *s->sas ? s->sas : "-", verified, s->cacheMismatch, s->auxSecretMismatch,
		s->hashAlgo, s->cipherAlgo, s->authTagAlgo, s->keyAgreementAlgo, s->sasAlgo);
	return 0;
}

static int on_export(void *data, int zuid, uint8_t role)
{
	(void)data;
	(void)zuid;
	printf("role %s\n", role == BZRTP_ROLE_INITIATOR ? "initiator" : "responder");
	return 0;
}

int main(void)
{
	static char line[LINE_MAX_BYTES];
	static uint8_t bytes[LINE_MAX_BYTES];
	bzrtpContext_t *context = bzrtp_createBzrtpContext();
	bzrtpCallbacks_t callbacks = {
		.bzrtp_sendData = on_send,
		.bzrtp_srtpSecretsAvailable = on_secrets,
		.bzrtp_startSrtpSession = on_start,
		.bzrtp_contextReadyForExportedKeys = on_export,
	};
	int initialised = 0;
	int channels = 1;

	bzrtp_setCallbacks(context, &callbacks);
	while (fgets(line, sizeof(line), stdin)) {
		char *save = NULL;
		char *command = strtok_r(line, " \n", &save);
		char *first = command ? strtok_r(NULL, " \n", &save) : NULL;
		char *second = first ? strtok_r(NULL, "\n", &save) : NULL;
		int error = 0;

		if (!command) {
			continue;
		}
		if (!initialised && strcmp(command, "set") && strcmp(command, "cache")) {
			error = bzrtp_initBzrtpContext(context, ssrcs[0]);
			bzrtp_setClientData(context, ssrcs[0], &numbers[0]);
			initialised = 1;
		}
		if (!strcmp(command, "set") && second) {
			uint8_t types[7];
			uint8_t count = 0;
			char *one;

			for (one = strtok_r(second, " ", &save); one && count < 7; one = strtok_r(NULL, " ", &save)) {
				types[count++] = strtoul(one, NULL, 16);
			}
			bzrtp_setSupportedCryptoTypes(context, strtoul(first, NULL, 16), types, count);
		} else if (!strcmp(command, "cache") && first) {
			void *db = NULL;

			error = sqlite3_open(first, &db);
			if (!error) {
				error = bzrtp_setZIDCache(context, db, "sip:bzrtp@example.org", "sip:sealrtp@example.org");
				error = error == BZRTP_CACHE_SETUP || error == BZRTP_CACHE_UPDATE ? 0 : error;
			}
		} else if (!strcmp(command, "aux") && first) {
			error = bzrtp_setAuxiliarySharedSecret(context, bytes, read_hex(first, bytes, sizeof(bytes)));
		} else if (!strcmp(command, "start")) {
			error = bzrtp_startChannelEngine(context, ssrcs[0]);
		} else if (!strcmp(command, "channel")) {
			error = bzrtp_addChannel(context, ssrcs[1]);
			bzrtp_setClientData(context, ssrcs[1], &numbers[1]);
			error = error ? error : bzrtp_startChannelEngine(context, ssrcs[1]);
			channels = 2;
		} else if (!strcmp(command, "hello-hash") && second) {
			error = bzrtp_setPeerHelloHash(
				context, ssrcs[atoi(first) & 1], (uint8_t *)second, strlen(second) + 1);
		} else if (!strcmp(command, "own-hash")) {
			error = bzrtp_getSelfHelloHash(context, ssrcs[0], bytes, sizeof(bytes));
			printf("own-hash %s\n", (char *)bytes);
		} else if (!strcmp(command, "time") && first) {
			int i;

			for (i = 0; i < channels; i++) {
				bzrtp_iterate(context, ssrcs[i], strtoull(first, NULL, 10));
			}
		} else if (!strcmp(command, "packet") && second) {
			/* What it answers to a packet it did not expect is no error of ours. */
			int answer = bzrtp_processMessage(
				context, ssrcs[atoi(first) & 1], bytes, read_hex(second, bytes, sizeof(bytes)));

			if (answer) {
				printf("answer %x\n", answer);
			}
		} else if (!strcmp(command, "verified")) {
			bzrtp_SASVerified(context);
		} else if (!strcmp(command, "unverified")) {
			bzrtp_resetSASVerified(context);
		} else {
			error = -1;
		}
		if (error) {
			printf("error %x %s\n", error, command);
		}
		printf("done\n");
		fflush(stdout);
	}
	bzrtp_destroyBzrtpContext(context, ssrcs[0]);
	return 0;
}
