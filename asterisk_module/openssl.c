/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Takes our functions out of OpenSSL before the module is unloaded.
 *
 * The library hangs data on OpenSSL's objects, and OpenSSL keeps the functions that free it for good: it
 * would call them for every object that any module frees after we are gone. OpenSSL numbers such data in
 * turn, so what was registered while we were loaded lies between two numbers of ours. Another module's in
 * between loses only its callbacks, which those in Asterisk do not have.
 */

#include "asterisk.h"

#include <openssl/crypto.h>

#include "asterisk/utils.h"

#include "res_sealrtp.h"

static const int classes[] = {
	CRYPTO_EX_INDEX_SSL,
	CRYPTO_EX_INDEX_SSL_CTX,
	CRYPTO_EX_INDEX_SSL_SESSION,
	CRYPTO_EX_INDEX_X509,
	CRYPTO_EX_INDEX_X509_STORE,
	CRYPTO_EX_INDEX_X509_STORE_CTX,
};

/* The number before the first of ours, by class; -1 for none. */
static int before[ARRAY_LEN(classes)];

/* Before the library is used. */
void openssl_hold(void)
{
	size_t index;

	for (index = 0; index < ARRAY_LEN(classes); index++) {
		before[index] = CRYPTO_get_ex_new_index(classes[index], 0, NULL, NULL, NULL, NULL);
	}
}

/* When the library is not used any more. */
void openssl_release(void)
{
	size_t index;

	for (index = 0; index < ARRAY_LEN(classes); index++) {
		int number, after = CRYPTO_get_ex_new_index(classes[index], 0, NULL, NULL, NULL, NULL);

		for (number = before[index]; before[index] >= 0 && number <= after; number++) {
			CRYPTO_free_ex_index(classes[index], number);
		}
	}
}
