/* The supervised workloads, as small as a process can be: what is measured is
 * the supervisor. The one argument is MODE,FIFO,ID[,NUMBER], without spaces,
 * so that it also fits in a "#!" line.
 *
 *   stamp    stamp, then wait for a signal
 *   crash    stamp, then exit with code 1
 *   write    stamp, wait for USR1, write NUMBER bytes in numbered lines,
 *            stamp, wait
 *   orphans  stamp, leave NUMBER orphans, stamp, wait
 *
 * A stamp is one record in the FIFO: when, who. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct record {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint32_t pid;
	uint32_t id;
	uint32_t kind; /* 0: main() was entered, 1: the work is done */
	uint32_t value; /* of kind 1: how much was done */
};

static void stamp(const char *fifo, uint32_t id, uint32_t kind, uint32_t value)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	struct record r = {(uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec,
		(uint32_t)getpid(), id, kind, value};
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &r, sizeof r) != sizeof r)
		_exit(111);
	close(fd);
}

enum { LINE = 100, LINES = 655, DIGITS = 12 };

/* Writes lines of 100 bytes, each with its number, in writes of 64 KiB. */
static uint32_t write_lines(long bytes)
{
	static char buf[LINE * LINES];
	char number[DIGITS + 1];
	long lines = bytes / LINE, next = 0;
	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < LINES; i++)
		buf[i * LINE + LINE - 1] = '\n';
	memset(number, '0', DIGITS);
	while (next < lines) {
		int n = lines - next < LINES ? (int)(lines - next) : LINES;
		for (int i = 0; i < n; i++) {
			memcpy(buf + i * LINE, number, DIGITS);
			int d = DIGITS - 1;
			while (d >= 0 && number[d] == '9')
				number[d--] = '0';
			number[d]++;
		}
		for (ssize_t done = 0; done < (ssize_t)n * LINE;) {
			ssize_t w = write(1, buf + done, (size_t)(n * LINE - done));
			if (w <= 0)
				_exit(112);
			done += w;
		}
		next += n;
	}
	return (uint32_t)lines;
}

/* Each orphan is the child of a child that ends at once, and lives for a
 * moment itself. */
static uint32_t leave_orphans(long count)
{
	struct timespec moment = {0, 1000000};
	uint32_t left = 0;
	for (long i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0) {
			if (fork() == 0)
				nanosleep(&moment, NULL);
			_exit(0);
		}
		if (child < 0)
			continue;
		waitpid(child, NULL, 0);
		left++;
	}
	return left;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 110;
	char *mode = strtok(argv[1], ","), *fifo = strtok(NULL, ",");
	char *id_text = strtok(NULL, ","), *number = strtok(NULL, ",");
	if (!mode || !fifo || !id_text)
		return 110;
	uint32_t id = (uint32_t)strtoul(id_text, NULL, 10);
	sigset_t usr1;
	int sig;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	stamp(fifo, id, 0, 0);
	if (!strcmp(mode, "crash"))
		return 1;
	if (!strcmp(mode, "write") && number) {
		sigwait(&usr1, &sig);
		stamp(fifo, id, 1, write_lines(atol(number)));
	}
	if (!strcmp(mode, "orphans") && number)
		stamp(fifo, id, 1, leave_orphans(atol(number)));
	for (;;)
		pause();
}
