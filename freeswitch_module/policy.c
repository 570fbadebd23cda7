/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Whose call it is: the variable sealrtp_policy (of the call, the user, the gateway), then the sections of
 * sealrtp.conf.xml for user, gateway and profile. Who is named nowhere is left alone.
 */

#include "mod_sealrtp.h"

#define SOFIA "sofia/"

static switch_bool_t is_sofia(switch_channel_t *channel)
{
	const char *name = switch_channel_get_name(channel);

	return name && !strncmp(name, SOFIA, strlen(SOFIA));
}

switch_bool_t policy_applies(switch_channel_t *channel)
{
	return is_sofia(channel) && !switch_channel_test_flag(channel, CF_PROXY_MODE) &&
		   !switch_channel_test_flag(channel, CF_PROXY_MEDIA);
}

static switch_bool_t is_tls_uri(const char *uri)
{
	return uri && (switch_stristr("sips:", uri) || switch_stristr("transport=tls", uri) ||
					  switch_stristr("transport=wss", uri));
}

/* mod_sofia shows the transport of a gateway nowhere but there. */
static switch_bool_t is_tls_gateway(const char *gateway)
{
	switch_stream_handle_t stream = {0};
	char command[NAME_SIZE];
	switch_bool_t tls;

	SWITCH_STANDARD_STREAM(stream);
	switch_snprintf(command, sizeof(command), "status gateway %s", gateway);
	tls = switch_api_execute("sofia", command, NULL, &stream) == SWITCH_STATUS_SUCCESS &&
		  is_tls_uri(stream.data);
	switch_safe_free(stream.data);
	return tls;
}

switch_bool_t policy_tls(switch_channel_t *channel)
{
	const char *value;

	if (switch_channel_direction(channel) == SWITCH_CALL_DIRECTION_INBOUND) {
		value = switch_channel_get_variable(channel, "sip_via_protocol");
		return value && (!strcasecmp(value, "tls") || !strcasecmp(value, "wss"));
	}
	if (is_tls_uri(switch_channel_get_variable(channel, "sip_destination_url"))) {
		return SWITCH_TRUE;
	}
	value = switch_channel_get_variable(channel, "sip_gateway_name");
	return value && is_tls_gateway(value);
}

/* The channel's, or of the dial string that it is being made by. */
static const char *variable(switch_channel_t *channel, switch_event_t *variables, const char *name)
{
	const char *value = variables ? switch_event_get_header(variables, name) : NULL;

	return value ? value : switch_channel_get_variable(channel, name);
}

/* A section counts if it is there: without one the library gives <settings>. */
static switch_bool_t section(
	const struct settings *settings, struct terms *terms, const char *kind, const char *name)
{
	char wanted[POLICY_SIZE];

	if (zstr(name)) {
		return SWITCH_FALSE;
	}
	switch_snprintf(wanted, sizeof(wanted), "%s/%s", kind, name);
	if (sealrtp_policies_endpoint(settings->policies, wanted, &terms->config) < 0) {
		return SWITCH_FALSE;
	}
	if (sealrtp_config_section(terms->config, terms->policy, sizeof(terms->policy)) == SEALRTP_OK &&
		!strcasecmp(terms->policy, wanted)) {
		return SWITCH_TRUE;
	}
	sealrtp_config_free(terms->config);
	terms->config = NULL;
	return SWITCH_FALSE;
}

static switch_bool_t of_user(
	const struct settings *settings, struct terms *terms, const char *user, const char *domain)
{
	char full[NAME_SIZE];

	if (zstr(user)) {
		return SWITCH_FALSE;
	}
	switch_snprintf(full, sizeof(full), "%s@%s", user, switch_str_nil(domain));
	return section(settings, terms, "user", full) || section(settings, terms, "user", user);
}

/* mod_sofia's channels are called sofia/<profile>/<the other end>. */
static const char *profile_name(switch_channel_t *channel, char *buffer, size_t size)
{
	const char *begin = switch_channel_get_name(channel) + strlen(SOFIA), *end = strchr(begin, '/');

	switch_snprintf(buffer, size, "%.*s", (int)(end ? end - begin : 0), begin);
	return buffer;
}

static switch_bool_t of_sections(const struct settings *settings, switch_channel_t *channel,
	switch_event_t *variables, struct terms *terms)
{
	switch_bool_t inbound = switch_channel_direction(channel) == SWITCH_CALL_DIRECTION_INBOUND;
	char profile[NAME_SIZE];

	/* The user has authenticated, or is the one that is called. */
	return of_user(settings, terms, variable(channel, variables, inbound ? "user_name" : "dialed_user"),
			   variable(channel, variables, inbound ? "domain_name" : "dialed_domain")) ||
		   section(settings, terms, "gateway",
			   switch_channel_get_variable(channel, inbound ? "sip_gateway" : "sip_gateway_name")) ||
		   section(settings, terms, "profile", profile_name(channel, profile, sizeof(profile)));
}

enum opted policy_of(const struct settings *settings, switch_channel_t *channel, switch_event_t *variables,
	struct terms *terms, char *reason, size_t reason_size)
{
	const char *named;

	memset(terms, 0, sizeof(*terms));
	if (!is_sofia(channel)) {
		return OPTED_OUT;
	}
	named = variable(channel, variables, VARIABLE_POLICY);
	if (zstr(named)) {
		return of_sections(settings, channel, variables, terms) ? OPTED_IN : OPTED_OUT;
	}
	if (!strcasecmp(named, POLICY_NONE)) {
		return OPTED_OUT;
	}
	if (sealrtp_policies_named(settings->policies, named, &terms->config) != SEALRTP_OK) {
		switch_snprintf(reason, reason_size,
			"the variable " VARIABLE_POLICY
			" is %s, and there is no such policy: name one of <policies> in sealrtp.conf.xml, strict, "
			"opportunistic, clear, or " POLICY_NONE,
			named);
		return OPTED_WRONG;
	}
	switch_copy_string(terms->policy, named, sizeof(terms->policy));
	return OPTED_IN;
}
