"""What a process that handles strangers' bytes gives up for good: other files, network, programs.

By seccomp of Linux, through `pyseccomp`: system calls are allowed by a list, and all others are
answered with an error, so that what a later kernel adds is refused as well. It binds every thread,
and also code that a file has smuggled in. Landlock would still allow sockets before Linux 6.7, and
its package for Python is an early release; seccomp needs libseccomp, which comes with systemd, apt
and container engines.
"""

from __future__ import annotations

import errno
import os
import sys

ALLOWED = frozenset(
    """
    read readv pread64 preadv write writev lseek close fstat fcntl dup
    sendto sendmsg recvfrom recvmsg poll ppoll select pselect6 shutdown
    mmap munmap mprotect mremap madvise brk
    futex futex_waitv membarrier rseq set_robust_list get_robust_list set_tid_address
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending sigaltstack restart_syscall
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom
    getcwd getpid gettid getppid getuid geteuid getgid getegid getrusage getcpu sysinfo uname
    sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler
    getpriority prctl arch_prctl exit exit_group
    """.split()  # noqa: SIM905
)
"""Memory, threads, clocks, what is open already, and where relative paths begin."""

SET_BLOCKING = 0x5421
"""The request of `ioctl` by which Python lets a socket wait or not."""

LOOKING = frozenset(
    """
    access faccessat faccessat2 stat lstat statx readlink readlinkat getdents64
    """.split()  # noqa: SIM905
)
"""What a process may do besides that is to read files of its user by name."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""The flags of `open` that say more than reading."""

OF_DESCRIPTOR = 0x1000
"""The flag by which `fstat` of newer C libraries asks about an open file, and not about a path."""

NEW_THREAD = 0x00010000
"""The flag of `clone` that makes a thread of this process, and no process."""


def confine(*, may_read: bool = False) -> str | None:
    """Restrict this process to computing, and to files and connections that are open already.

    Threads and modules that are loaded already go on; nothing can be opened, listed, deleted,
    connected or started.

    Args:
        may_read: whether files may be opened nevertheless, for reading only.

    Returns:
        Why the system cannot do that, or None if it is done.
    """
    _limit("RLIMIT_CORE", 0)
    if sys.platform != "linux":
        return "only Linux can keep a process from other files and the network"
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError) as error:
        return f"libseccomp is not installed ({error})"
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EACCES))
    try:
        for name in ALLOWED:
            _allow(rules, name)
        # By `tgkill` a process ends itself when it fails; of `prlimit64`, 0 is this process.
        _allow(rules, "tgkill", seccomp.Arg(0, seccomp.EQ, os.getpid()))
        _allow(rules, "prlimit64", seccomp.Arg(0, seccomp.EQ, 0))
        if may_read:
            for name in (*LOOKING, "newfstatat"):
                _allow(rules, name)
            _allow(rules, "open", seccomp.Arg(1, seccomp.MASKED_EQ, WRITING, os.O_RDONLY))
            _allow(rules, "openat", seccomp.Arg(2, seccomp.MASKED_EQ, WRITING, os.O_RDONLY))
        else:
            flag = OF_DESCRIPTOR
            _allow(rules, "newfstatat", seccomp.Arg(3, seccomp.MASKED_EQ, flag, flag))
        _allow(rules, "ioctl", seccomp.Arg(1, seccomp.EQ, SET_BLOCKING))
        _allow(rules, "setrlimit")
        _allow(rules, "getrlimit")
        _allow(rules, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, NEW_THREAD, NEW_THREAD))
        # Its arguments cannot be seen: the C library takes `clone` where it is not there.
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.set_attr(seccomp.Attr.CTL_TSYNC, 1)
        rules.load()
    except OSError as error:
        return f"this system refuses a filter of system calls ({error.strerror})"
    return None


def limit_memory(num_bytes: int) -> bool:
    """Limit the address space of this process, where the system can.

    Returns:
        Whether it can: macOS refuses, or ignores the limit.
    """
    return sys.platform != "darwin" and _limit("RLIMIT_AS", num_bytes)


def limit_cpu(seconds: float) -> None:
    """End this process by a signal once it has computed for so many more seconds."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    last = int(min(used.ru_utime + used.ru_stime + seconds, 2**31)) + 1
    soft = last if most == resource.RLIM_INFINITY else min(last, most)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, most))


def _limit(name: str, value: int) -> bool:
    import resource

    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (ValueError, OSError):
        return False
    return True


def _allow(rules: object, name: str, *arguments: object) -> None:
    """Allow a system call, if this processor and libseccomp know it."""
    import pyseccomp as seccomp

    if seccomp.resolve_syscall(seccomp.system_arch(), name) != -1:
        rules.add_rule(seccomp.ALLOW, name, *arguments)  # type: ignore[attr-defined]
