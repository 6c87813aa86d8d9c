/* A hostile bot without an interpreter: in its second move it makes the system call that its argument names.
   Where that is denied it says so on stderr and exits with 1; where it is not, it plays on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024L * 1024)

static char line[1 << 20];
static long number;
static const char *program;
static int action;

static void answer(void) {
    printf("{\"id\": %ld, \"action\": %d}\n", number, action);
    fflush(stdout);
}

static void *forever(void *unused) {
    for (;;) sleep(1000);
    return unused;
}

/* Goes on when the first thread has ended, with far too much memory: of a file that is mapped again and again. */
static void *hoard(void *unused) {
    usleep(50000);
    int file = open(program, O_RDONLY);
    volatile char sum = 0;
    for (int each = 0; each < 20; each++) {
        char *memory = mmap(NULL, 64 * MIB, PROT_READ, MAP_PRIVATE, file, 0);
        for (long at = 0; memory != MAP_FAILED && at < 64 * MIB; at += 4096) sum += memory[at];
    }
    sleep(30);
    return unused;
}

static int thread(void *unused) {
    (void)unused;
    for (;;) sleep(1000);
    return 0;
}

/* Threads with next to no memory of their own: nothing but a count of them stops these. */
static long bomb(void) {
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    long made = 0;
    while (made < 20000) {
        char *stack = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED || clone(thread, stack + 4096, flags, NULL) == -1) usleep(1000);
        made++;
    }
    sleep(30);
    return -1;
}

/* Address space whose pages are never written: no memory of its own, but page tables. */
static long tables(void) {
    for (int each = 0; each < 64; each++) {
        char *place = mmap(NULL, 64L * 1024 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED) return -1;
        madvise(place, 64L * 1024 * MIB, MADV_NOHUGEPAGE);
        volatile char sum = 0;
        for (long at = 0; at < 64L * 1024 * MIB; at += 2 * MIB) sum += place[at];
    }
    return 0;
}

static long shared_until(long most) {
    for (long at = 0; at < most; at += 64 * MIB) {
        char *memory = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return -1;
        memset(memory, 1, 64 * MIB);
    }
    return 0;
}

/* Memory that is written and then made read-only counts as nobody's data. */
static void *sealed(void *unused) {
    for (int each = 0; each < 256; each++) {
        char *memory = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) break;
        memset(memory, 1, 16 * MIB);
        mprotect(memory, 16 * MIB, PROT_READ);
    }
    sleep(1000);
    return unused;
}

/* In the opponent's time, when nobody looks: half of it in shared memory, half in page tables. */
static void *slowly(void *unused) {
    shared_until(512 * MIB);
    tables();
    return unused;
}

static long connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

/* Code that is made while it runs, as a just-in-time compiler does: allowed. What it calls is not. */
static long made(void) {
#ifdef __x86_64__
    unsigned char code[] = {0xb8, 0x02, 0, 0, 0, 0xcd, 0x80, 0xc3}; /* fork of i386: mov eax, 2; int 0x80; ret */
    char *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(place, code, sizeof code);
    if (mprotect(place, 4096, PROT_READ | PROT_EXEC)) return -1;
    return ((long (*)(void))place)();
#else
    raise(SIGSYS);
    return -1;
#endif
}

static long attack(const char *name, const char *path) {
    char word[8] = {0};
    struct iovec here = {word, 8}, there = {line, 8};
    unsigned long arguments[16] = {0};
    pthread_t other;
#define IS(text) (strcmp(name, text) == 0)
    if (IS("nothing")) return 0;
    if (IS("open")) return open("/etc/passwd", O_RDONLY);
    if (IS("openat2")) return syscall(437, AT_FDCWD, "/etc/passwd", arguments, 24);
    if (IS("connect")) return connect_to(path);
    if (IS("socket")) return socket(AF_INET, SOCK_STREAM, 0);
    if (IS("netlink")) return socket(AF_NETLINK, SOCK_RAW, 0);
    if (IS("fork")) return fork();
    if (IS("raw_clone")) return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (IS("vfork")) return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (IS("clone_of_a_namespace")) return syscall(SYS_clone, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND | CLONE_NEWUSER, 0, 0, 0, 0);
    if (IS("clone3")) return syscall(435, arguments, 64);
    if (IS("parent")) return kill(getppid(), SIGKILL);
    if (IS("everybody")) return kill(-1, SIGKILL);
    if (IS("first_process")) return kill(1, SIGKILL);
    if (IS("tgkill")) return syscall(SYS_tgkill, getppid(), getppid(), SIGKILL);
    if (IS("queue")) return sigqueue(getppid(), SIGKILL, (union sigval){0});
    if (IS("pidfd_open")) return syscall(434, getppid(), 0);
    if (IS("pidfd_getfd")) return syscall(438, 0, 0, 0);
    if (IS("ptrace")) return ptrace(PTRACE_ATTACH, getppid(), 0, 0);
    if (IS("seize")) return ptrace(PTRACE_SEIZE, getppid(), 0, 0);
    if (IS("readv")) return process_vm_readv(getppid(), &here, 1, &there, 1, 0);
    if (IS("writev")) return process_vm_writev(getppid(), &here, 1, &there, 1, 0);
    if (IS("io_uring")) return syscall(425, 8, arguments);
    if (IS("bpf")) return syscall(SYS_bpf, 5, arguments, sizeof arguments);
    if (IS("perf")) return syscall(SYS_perf_event_open, arguments, 0, -1, -1, 0);
    if (IS("userfaultfd")) return syscall(SYS_userfaultfd, 0);
    if (IS("keyring")) return syscall(SYS_add_key, "user", "league", "x", 1, -3);
    if (IS("memfd")) return syscall(SYS_memfd_create, "code", 0);
    if (IS("execveat")) return syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0);
    if (IS("unshare")) return unshare(CLONE_NEWUSER | CLONE_NEWNET);
    if (IS("setns")) return setns(0, 0);
    if (IS("mount")) return syscall(SYS_mount, "none", "/", "tmpfs", 0, 0);
    if (IS("chroot")) return chroot("/usr");
    if (IS("setuid")) return setuid(getuid());
    if (IS("setgroups")) return syscall(SYS_setgroups, 0, NULL);
    if (IS("no_death_with_parent")) return prctl(PR_SET_PDEATHSIG, 0);
    if (IS("dumpable")) return prctl(PR_SET_DUMPABLE, 1);
    if (IS("subreaper")) return prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (IS("tracer")) return prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (IS("filter")) return syscall(SYS_seccomp, 1, 0, arguments);
    if (IS("personality")) return syscall(SYS_personality, 0x0040000);
    if (IS("shared_segment")) return syscall(SYS_shmget, 0, 4096, 01600);
    if (IS("semaphore")) return syscall(SYS_semget, 0, 1, 01600);
    if (IS("message_queue")) return syscall(SYS_msgget, 0, 01600);
    if (IS("posix_queue")) return syscall(SYS_mq_open, "league", O_CREAT | O_RDWR, 0600, NULL);
    if (IS("inotify")) return syscall(SYS_inotify_init1, 0);
    if (IS("handle")) return syscall(SYS_open_by_handle_at, 0, arguments, 0);
    if (IS("chmod")) return syscall(SYS_fchmodat, AT_FDCWD, "attacker", 0777);
    if (IS("swap")) return syscall(SYS_swapon, "/dev/null", 0);
    if (IS("reboot")) return syscall(SYS_reboot, 0, 0, 0, 0);
    if (IS("clock")) return syscall(SYS_clock_settime, 0, arguments);
    if (IS("affinity")) return syscall(SYS_sched_setaffinity, 0, sizeof arguments, arguments);
    if (IS("real_time")) return syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, arguments);

    if (IS("owner")) return fcntl(1, F_SETOWN, getppid());
    if (IS("large_pipe")) return fcntl(1, F_SETPIPE_SZ, 1 << 20);
    if (IS("terminal")) return syscall(SYS_ioctl, 0, 0x5412, "x");
    if (IS("newest_call")) return syscall(480, 0);
    if (IS("x32")) return syscall(0x40000000 + SYS_getpid);
    if (IS("i386")) return made();
    if (IS("shared_memory")) return shared_until(4096 * MIB);
    if (IS("page_tables")) return tables();
    if (IS("threads")) return bomb();
    if (IS("dead_leader")) {
        pthread_create(&other, NULL, hoard, NULL);
        syscall(SYS_exit, 0);
    }
    if (IS("stack")) {
        char block[MIB];
        memset(block, 1, sizeof block);
        return attack(name, block[5] ? path : block);
    }
    if (IS("idle_hoard")) {
        pthread_create(&other, NULL, slowly, NULL);
        return 0;
    }
    if (IS("sealed")) sealed(NULL);
    if (IS("idle_sealed")) {
        pthread_create(&other, NULL, sealed, NULL);
        return 0;
    }
    if (IS("idle_threads")) {
        for (int each = 0; each < 8; each++) pthread_create(&other, NULL, forever, NULL);
        return 0;
    }
    errno = EINVAL;
    return -1;
}

int main(int count, char **words) {
    int moves = 0;
    program = words[0];
    while (fgets(line, sizeof line, stdin)) {
        char *id = strstr(line, "\"id\":"), *mask = strstr(line, "\"action_mask\":");
        if (!id) {
            puts("{\"type\": \"ready\"}");
            fflush(stdout);
            continue;
        }
        number = atol(id + 5);
        if (!mask) {
            printf("{\"id\": %ld, \"ok\": true}\n", number);
            fflush(stdout);
            continue;
        }
        mask = strchr(mask, '[') + 1;
        for (action = 0; mask[2 * action] != '1'; action++) continue;
        if (++moves == 2 && attack(words[1], count > 2 ? words[2] : "") == -1) {
            fprintf(stderr, "%s: %s\n", words[1], strerror(errno));
            return 1;
        }
        answer();
    }
    return 0;
}
