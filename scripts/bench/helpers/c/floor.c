/* The floor: what the kernel alone costs. It starts WORKLOAD once for each
 * line of FILE, starts what ends again, and on TERM ends all and itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *workload;
static char **arguments;
static volatile pid_t *pids;
static volatile sig_atomic_t stopping;
static int count;

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
	for (int i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
}

static void start(int i)
{
	char *argv[] = {workload, arguments[i], NULL};
	pid_t pid = vfork();
	if (pid == 0) {
		execv(workload, argv);
		_exit(127);
	}
	pids[i] = pid;
	if (stopping && pid > 0)
		kill(pid, SIGTERM);
}

int main(int argc, char **argv)
{
	char line[4096];
	FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
	if (!f)
		return 2;
	workload = argv[1];
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
			if (stopping)
				return 0;
			continue;
		}
		for (int i = 0; i < count; i++)
			if (pids[i] == pid) {
				pids[i] = 0;
				if (!stopping)
					start(i);
				break;
			}
	}
}
