/*
 * Preloaded into User-Mode Linux. Kernels of that kind read and write the
 * extended registers of their processes through a buffer of fixed size, and
 * give up where the processor has more of them than fit. Here every transfer
 * moves all of them; what does not fit the caller's buffer is put back as it
 * was. Harmless where everything fits.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGEST 65536

static long transfer(int writes, long pid, struct iovec *part)
{
	static char all[LARGEST];
	struct iovec full = { .iov_base = all, .iov_len = LARGEST };
	long kind = NT_X86_XSTATE;
	long result = syscall(SYS_ptrace, PTRACE_GETREGSET, pid, kind, &full);

	if (result < 0)
		return result;
	if (part->iov_len > full.iov_len)
		part->iov_len = full.iov_len;
	if (!writes) {
		memcpy(part->iov_base, all, part->iov_len);
		return result;
	}
	memcpy(all, part->iov_base, part->iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, kind, &full);
}

long ptrace(enum __ptrace_request request, ...)
{
	long word, result, pid, address;
	void *data;
	va_list rest;

	va_start(rest, request);
	pid = va_arg(rest, long);
	address = va_arg(rest, long);
	data = va_arg(rest, void *);
	va_end(rest);

	switch ((int)request) {
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		if (address == NT_X86_XSTATE)
			return transfer(request == PTRACE_SETREGSET, pid, data);
		break;
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
		/* The C library returns the word itself, the system call stores it. */
		result = syscall(SYS_ptrace, request, pid, address, &word);
		return result < 0 ? result : word;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
