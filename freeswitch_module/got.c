/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Slots of the global offset table: a call from one shared object into another goes through an address that
 * the dynamic linker has written, and that can be written anew.
 */

#include "mod_sealrtp.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

/* DT_JMPREL has slots of the first kind; -fno-plt and pointers to functions those of the others. */
#if defined(__x86_64__)
#define IS_SLOT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT || (type) == R_X86_64_64)
#elif defined(__aarch64__)
#define IS_SLOT(type)                                                                                        \
	((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT || (type) == R_AARCH64_ABS64)
#else
#error "mod_sealrtp knows the relocations of x86-64 and AArch64"
#endif
#define RELOCATION_SYMBOL(info) ELF64_R_SYM(info)
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)

struct object {
	const struct dl_phdr_info *info;
	const char *strings;
	const ElfW(Sym) * symbols;
	const ElfW(Rela) * relocations[2];
	size_t counts[2];
	/* What is read-only once it is relocated. */
	uintptr_t relro_begin;
	uintptr_t relro_end;
};

struct walk {
	const struct slot *slots;
	size_t count;
	switch_bool_t restore;
	/* By slot: the function itself, looked up beforehand: a walk holds a lock of the dynamic linker's. */
	void **genuine;
	/* By slot: objects that it is looked for in, and how often it was found. */
	uint32_t *objects;
	uint32_t *found;
	uint32_t *failed;
};

/* The dynamic linker of glibc has made these absolute, others leave them relative to the object. */
static uintptr_t absolute(const struct dl_phdr_info *info, uintptr_t pointer)
{
	return pointer < info->dlpi_addr ? pointer + info->dlpi_addr : pointer;
}

static void read_relro(struct object *object, const ElfW(Phdr) * header)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = object->info->dlpi_addr + header->p_vaddr;

	object->relro_begin = begin & ~(page - 1);
	object->relro_end = (begin + header->p_memsz) & ~(page - 1);
}

static switch_bool_t read_dynamic(struct object *object, const ElfW(Dyn) * dynamic)
{
	const struct dl_phdr_info *info = object->info;
	size_t entry_size = sizeof(ElfW(Rela));
	switch_bool_t rela = SWITCH_TRUE;

	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		switch (dynamic->d_tag) {
		case DT_STRTAB:
			object->strings = (const char *)absolute(info, dynamic->d_un.d_ptr);
			break;
		case DT_SYMTAB:
			object->symbols = (const ElfW(Sym) *)absolute(info, dynamic->d_un.d_ptr);
			break;
		case DT_JMPREL:
			object->relocations[0] = (const ElfW(Rela) *)absolute(info, dynamic->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			object->counts[0] = dynamic->d_un.d_val / entry_size;
			break;
		case DT_PLTREL:
			rela = dynamic->d_un.d_val == DT_RELA;
			break;
		case DT_RELA:
			object->relocations[1] = (const ElfW(Rela) *)absolute(info, dynamic->d_un.d_ptr);
			break;
		case DT_RELASZ:
			object->counts[1] = dynamic->d_un.d_val / entry_size;
			break;
		default:
			break;
		}
	}
	return rela && object->strings && object->symbols;
}

static switch_bool_t read_object(struct object *object, const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *dynamic = NULL;
	int i;

	memset(object, 0, sizeof(*object));
	object->info = info;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_DYNAMIC) {
			dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + header->p_vaddr);
		} else if (header->p_type == PT_GNU_RELRO) {
			read_relro(object, header);
		}
	}
	return dynamic && read_dynamic(object, dynamic);
}

/* Threads call through the slot meanwhile: it is written at once, and stays readable. */
static switch_bool_t write_slot(const struct object *object, void **address, void *value)
{
	uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), page = (uintptr_t)address & ~(size - 1);
	switch_bool_t read_only = page >= object->relro_begin && page < object->relro_end;

	if (read_only && mprotect((void *)page, size, PROT_READ | PROT_WRITE)) {
		return SWITCH_FALSE;
	}
	__atomic_store_n(address, value, __ATOMIC_RELEASE);
	if (read_only) {
		mprotect((void *)page, size, PROT_READ);
	}
	return SWITCH_TRUE;
}

static void replace_in(struct walk *walk, size_t index, const struct object *object)
{
	const struct slot *slot = &walk->slots[index];
	void *genuine = walk->genuine[index];
	size_t table, i;

	for (table = 0; table < 2; table++) {
		for (i = 0; object->relocations[table] && i < object->counts[table]; i++) {
			const ElfW(Rela) *relocation = &object->relocations[table][i];
			const ElfW(Sym) *symbol = &object->symbols[RELOCATION_SYMBOL(relocation->r_info)];
			void **address = (void **)(object->info->dlpi_addr + relocation->r_offset);
			void *was;

			if (!IS_SLOT(RELOCATION_TYPE(relocation->r_info)) || !RELOCATION_SYMBOL(relocation->r_info) ||
				strcmp(object->strings + symbol->st_name, slot->symbol)) {
				continue;
			}
			walk->found[index]++;
			was = __atomic_load_n(address, __ATOMIC_ACQUIRE);
			if (walk->restore ? was != slot->replacement : was == slot->replacement) {
				continue;
			}
			if (!genuine || !write_slot(object, address, walk->restore ? genuine : slot->replacement)) {
				walk->failed[index]++;
			}
		}
	}
}

static switch_bool_t is_this_object(const struct dl_phdr_info *info)
{
	uintptr_t here = (uintptr_t)&is_this_object;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && here >= begin && here - begin < header->p_memsz) {
			return SWITCH_TRUE;
		}
	}
	return SWITCH_FALSE;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct walk *walk = data;
	struct object object;
	size_t i;

	if (is_this_object(info) || !read_object(&object, info)) {
		return 0;
	}
	for (i = 0; i < walk->count; i++) {
		const struct slot *slot = &walk->slots[i];

		if (!slot->object || strstr(info->dlpi_name, slot->object)) {
			walk->objects[i]++;
			replace_in(walk, i, &object);
		}
	}
	return 0;
}

static switch_bool_t run(struct walk *walk, const struct slot *slots, size_t count, switch_bool_t restore)
{
	uint32_t *counters = calloc(count * 3, sizeof(*counters));
	void **genuine = calloc(count, sizeof(*genuine));
	size_t i;

	*walk = (struct walk){.slots = slots,
		.count = count,
		.restore = restore,
		.genuine = genuine,
		.objects = counters,
		.found = counters + count,
		.failed = counters + count * 2};
	if (!counters || !genuine) {
		return SWITCH_FALSE;
	}
	for (i = 0; i < count; i++) {
		genuine[i] = dlsym(RTLD_DEFAULT, slots[i].symbol);
		if (genuine[i] && slots[i].genuine) {
			*slots[i].genuine = genuine[i];
		}
	}
	dl_iterate_phdr(visit, walk);
	return SWITCH_TRUE;
}

static void done(struct walk *walk)
{
	free(walk->objects);
	free(walk->genuine);
}

static switch_status_t verdict(const struct walk *walk, size_t i, char *reason, size_t reason_size)
{
	const struct slot *slot = &walk->slots[i];
	const char *object = slot->object ? slot->object + 1 : "an object";

	if (walk->failed[i]) {
		switch_snprintf(reason, reason_size, "the slot of %s in %s cannot be written: %s", slot->symbol,
			object, strerror(errno));
		return SWITCH_STATUS_GENERR;
	}
	if (slot->needed_for && walk->objects[i] && !walk->found[i]) {
		switch_snprintf(reason, reason_size,
			"%s has no slot for %s, which %s needs: it is linked in a way, or of a version, that this module "
			"does not know",
			object, slot->symbol, slot->needed_for);
		return SWITCH_STATUS_GENERR;
	}
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t got_replace(const struct slot *slots, size_t count, char *reason, size_t reason_size)
{
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	struct walk walk;
	size_t i;

	if (!run(&walk, slots, count, SWITCH_FALSE)) {
		switch_snprintf(reason, reason_size, "no memory");
		status = SWITCH_STATUS_MEMERR;
	}
	for (i = 0; i < count && status == SWITCH_STATUS_SUCCESS; i++) {
		status = verdict(&walk, i, reason, reason_size);
	}
	done(&walk);
	return status;
}

void got_restore(const struct slot *slots, size_t count)
{
	struct walk walk;

	run(&walk, slots, count, SWITCH_TRUE);
	done(&walk);
}
