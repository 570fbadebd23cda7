/* --- completion at the console --- */

#include "api.h"
#include "surface.h"

#define SYNTAX                                                                                               \
	"status | calls | show <uuid> | explain <uuid>|<name>|<section> | policy [<name>] | "                    \
	"zrtp list|verify|forget|name | set debug dtls|zrtp on|off [<uuid>|<name>] | reload"

static const char usage[] =
	"sealrtp status                              version, calls, what holds for all\n"
	"sealrtp calls                               each secured call: who made its keys, whether media passes\n"
	"sealrtp show <uuid>                         all that is known of a call's media\n"
	"sealrtp explain <uuid>|<name>|<section>     why a call is secured as it is, also of the last that "
	"ended\n"
	"sealrtp policy [<policy or section>]        what sealrtp.conf.xml comes to\n"
	"sealrtp zrtp list                           our ZID, and the peers that secrets are kept of\n"
	"sealrtp zrtp verify <zid> [no]              the SAS was compared with this peer; no: it was not, or "
	"differed\n"
	"sealrtp zrtp forget <zid>                   its next call is like the first one\n"
	"sealrtp zrtp name <zid> <name>              a name for a peer, of at most 64 bytes\n"
	"sealrtp set debug dtls|zrtp on|off [<uuid>|<name>]   prints each step of handshakes, of these channels\n"
	"sealrtp reload                              reads sealrtp.conf.xml anew, for new calls\n";

static void explain(switch_stream_handle_t *stream, const struct words *words)
{
	explain_print(stream, words->word[1]);
}

static void set_debug(switch_stream_handle_t *stream, const struct words *words)
{
	const char *method = words->word[2], *channel = words->count > 4 ? words->word[4] : "";
	switch_bool_t on = !strcasecmp(words->word[3], "on");

	if (strcasecmp(words->word[1], "debug") || (!on && strcasecmp(words->word[3], "off")) ||
		!report_set_trace(method, on, on ? channel : "")) {
		stream->write_function(stream, "-USAGE: sealrtp set debug dtls|zrtp on|off [<uuid>|<name>]\n");
		return;
	}
	stream->write_function(stream, "+OK %s is %straced%s%s\n", method, on ? "" : "not ",
		on && *channel ? " of " : "", on ? channel : "");
}

static void reload(switch_stream_handle_t *stream, const struct words *words)
{
	(void)words;
	if (config_load() == SWITCH_STATUS_SUCCESS) {
		stream->write_function(stream, "+OK for new calls\n");
	} else {
		stream->write_function(
			stream, "-ERR sealrtp.conf.xml is refused, and all is as it was: the log says why\n");
	}
}

static const struct command {
	const char *word;
	/* With the command's own word. */
	int least, most;
	void (*run)(switch_stream_handle_t *stream, const struct words *words);
} commands[] = {
	{"status", 1, 1, api_status},
	{"calls", 1, 1, api_calls},
	{"show", 2, 2, api_show},
	{"explain", 2, 2, explain},
	{"policy", 1, 2, api_policy},
	{"zrtp", 2, MAX_WORDS, api_zrtp},
	{"set", 4, 5, set_debug},
	{"reload", 1, 1, reload},
};

SWITCH_STANDARD_API(sealrtp_api)
{
	char *copy = strdup(switch_str_nil(cmd));
	struct words words = {0};
	size_t index;

	(void)session;
	switch_assert(copy);
	words.count = (int)switch_separate_string(copy, ' ', words.word, MAX_WORDS);
	for (index = 0; index < sizeof(commands) / sizeof(*commands); index++) {
		const struct command *command = &commands[index];

		if (words.count && !strcasecmp(words.word[0], command->word) && words.count >= command->least &&
			words.count <= command->most) {
			command->run(stream, &words);
			free(copy);
			return SWITCH_STATUS_SUCCESS;
		}
	}
	stream->write_function(stream, "-USAGE:\n%s", usage);
	free(copy);
	return SWITCH_STATUS_SUCCESS;
}

void api_start(void)
{
	switch_loadable_module_interface_t **module_interface = &runtime.interface;
	switch_api_interface_t *api;

	SWITCH_ADD_API(api, "sealrtp", "Media security of calls", sealrtp_api, SYNTAX);
	api_complete_start();
}

void api_stop(void)
{
	api_complete_stop();
}
