/* The floor: what the kernel alone costs. It starts WORKLOAD once for each
 * line of FILE, starts what ends again, and on TERM ends all and itself.
 *
 * With a FOLDER it also asks of the kernel most of what gosup does for each
 * process: a session of its own, FIFOs for its output, a folder for its state, a
 * line in a record of the runs; and with a CGROUP a cgroup below that, in which it
 * starts and which is looked at when it has ended. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *workload, *folder, *cgroup;
static char **arguments;
static volatile pid_t *pids;
static volatile sig_atomic_t stopping;
static int count, record = -1;

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
	for (int i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
}

/* vfork into a cgroup: clone3(2), inlined since the child must not return into
 * a frame that the parent uses. */
static inline __attribute__((always_inline)) pid_t vfork_into(int fd)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	} args = {.flags = 0x200004100 /* INTO_CGROUP, VFORK, VM */, .exit_signal = SIGCHLD, .cgroup = (uint64_t)fd};
#if defined(__x86_64__)
	long pid;
	__asm__ volatile("syscall" : "=a"(pid) : "0"(435L), "D"(&args), "S"(sizeof args) : "rcx", "r11", "memory");
	return (pid_t)pid;
#elif defined(__aarch64__)
	register long pid __asm__("x0") = (long)&args;
	register long size __asm__("x1") = sizeof args;
	register long number __asm__("x8") = 435;
	__asm__ volatile("svc 0" : "+r"(pid) : "r"(size), "r"(number) : "memory");
	return (pid_t)pid;
#else
	(void)args; /* outside of the cgroup */
	return vfork();
#endif
}

static char *path(char *into, const char *dir, int i, const char *suffix)
{
	snprintf(into, 512, "%s/%d%s", dir, i, suffix);
	return into;
}

static int fifo(int i, const char *suffix)
{
	char name[512];
	path(name, folder, i, suffix);
	mkfifo(name, 0600);
	return open(name, O_RDWR | O_CLOEXEC);
}

static void start(int i)
{
	char *argv[] = {workload, arguments[i], NULL}, name[512];
	int out = -1, err = -1, in = -1;
	pid_t pid;
	if (folder) {
		mkdir(path(name, folder, i, ".state"), 0700);
		out = fifo(i, ".out");
		err = fifo(i, ".err");
	}
	if (cgroup) {
		mkdir(path(name, cgroup, i, ""), 0755);
		in = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	pid = in >= 0 ? vfork_into(in) : vfork();
	if (pid == 0) {
		if (folder) {
			setsid();
			dup2(out, 1);
			dup2(err, 2);
		}
		execv(workload, argv);
		_exit(127);
	}
	if (folder) {
		char line[64];
		int n = snprintf(line, sizeof line, "%d %d\n", i, pid);
		if (write(record, line, (size_t)n) != n)
			_exit(3);
		close(out);
		close(err);
		close(in);
	}
	pids[i] = pid;
	if (stopping && pid > 0)
		kill(pid, SIGTERM);
}

/* ended looks at what a run has left. */
static void ended(int i)
{
	char name[512], text[128];
	int fd;
	if (!cgroup)
		return;
	fd = open(path(name, cgroup, i, "/cgroup.events"), O_RDONLY | O_CLOEXEC);
	if (read(fd, text, sizeof text) <= 0)
		_exit(3);
	close(fd);
}

static void tidy(void)
{
	char name[512];
	for (int i = 0; folder && i < count; i++) {
		unlink(path(name, folder, i, ".out"));
		unlink(path(name, folder, i, ".err"));
		if (cgroup)
			rmdir(path(name, cgroup, i, ""));
	}
	if (cgroup)
		rmdir(cgroup);
}

int main(int argc, char **argv)
{
	char line[4096], name[512];
	FILE *f = argc >= 3 ? fopen(argv[2], "r") : NULL;
	if (!f)
		return 2;
	workload = argv[1];
	if (argc > 3) {
		folder = argv[3];
		record = open(path(name, folder, 0, ".record"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	}
	if (argc > 4 && mkdir(argv[4], 0755) == 0)
		cgroup = argv[4];
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		arguments = realloc(arguments, sizeof *arguments * (size_t)(count + 1));
		arguments[count++] = strdup(line);
	}
	fclose(f);
	pids = calloc((size_t)count, sizeof *pids);
	signal(SIGTERM, stop);
	for (int i = 0; i < count; i++)
		start(i);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, 0);
		if (pid < 0) {
			if (!stopping)
				continue;
			tidy();
			return 0;
		}
		for (int i = 0; i < count; i++)
			if (pids[i] == pid) {
				pids[i] = 0;
				ended(i);
				if (!stopping)
					start(i);
				break;
			}
	}
}
