package spec

import (
	"strings"
	"testing"
	"time"

	"gosup/policy"

	"github.com/google/go-cmp/cmp"
)

func TestFields(t *testing.T) {
	t.Parallel()
	umask, nice := uint32(0o22), -5
	p := &Process{
		Name: "web", Argv: []string{"bin/web", "--name", "it's me"}, Description: "the web", Autostart: true, Dir: "/srv",
		Env: []string{"TZ=UTC", "PASSWORD=hush"},
		Rights: Rights{
			User: &User{Name: "www", UID: 33, GID: 34}, Umask: &umask, Nice: &nice, NoNewPrivileges: true,
			Limits:       []Limit{{"nofile", 1024, Unlimited}},
			Capabilities: &Capabilities{Limited: true, Keep: 1 << 10},
		},
		Restart: Restart{
			Backoff:      policy.Backoff{Curve: policy.Exponential, Initial: time.Second, Max: 90 * time.Second, Multiplier: 2},
			Limit:        policy.Limit{Max: policy.Unlimited, Within: time.Minute},
			SuccessCodes: []int{0, 3}, OnExit: []ExitRule{{Class: "78", Never: true}, {Class: "oom", Delay: time.Minute}},
		},
		Stop:         Stop{Steps: []StopStep{{15, 10 * time.Second}, {2, time.Hour}}},
		Logs:         Logs{Output: OutputFile, File: "/var/log/web.log", MaxSizeBytes: 10, BlockOnFull: true},
		Hooks:        Hooks{PreStart: {Commands: [][]string{{"migrate"}, {"warm up"}}, Timeout: time.Second, MayFail: true}},
		ReloadSignal: 1,
		Checks: []Check{{
			Name: "http", Interval: 10 * time.Second, Threshold: policy.Threshold{Failures: 3, Successes: 1},
			Probe:       Probe{HTTP: &HTTPProbe{URL: "http://ann:hush@x/", Headers: []Header{{"Authorization", "hush"}}, Status: policy.Ranges{{First: 200, Last: 299}}}},
			OnUnhealthy: OnUnhealthy{Action: UnhealthySignal, Signal: 10},
		}},
		Readiness: &Readiness{Notify: true, Timeout: time.Minute},
		DependsOn: []DependsOn{{Name: "db", Condition: Healthy, Restart: true}},
		Requires:  []string{"pg", "redis"},
	}
	var got []string
	for _, f := range p.Fields() {
		got = append(got, f.Key+": "+f.Value)
	}
	want := strings.Split(strings.TrimSpace(`
command: bin/web --name 'it'\''s me'
description: the web
type: service
autostart: true
directory: /srv
env.TZ: (set)
env.PASSWORD: (set)
user: www 33:34
umask: 0022
limits.nofile: 1024:unlimited
nice: -5
no_new_privileges: true
capabilities.limited: true
capabilities.keep: NET_BIND_SERVICE
capabilities.ambient: none
restart.policy: always
restart.strategy: exponential_backoff
restart.initial_delay: 1s
restart.max_delay: 1m30s
restart.multiplier: 2
restart.max_restarts: unlimited
restart.within: 1m
restart.within_clock: running
restart.success_exit_codes: 0 3
restart.on_exit.78: never
restart.on_exit.oom: at least 1m
restart.on_exhausted: stop
stop.signals: SIGTERM, then 10s
stop.signals: SIGINT, then 1h
stop.kill: tree
logs.output: file
logs.file: /var/log/web.log
logs.format: raw
logs.console_format: raw
logs.max_size: 10
logs.compress: none
logs.block_on_full: true
hooks.pre_start.command: migrate
hooks.pre_start.command: 'warm up'
hooks.pre_start.timeout: 1s
hooks.pre_start.on_failure: ignore
reload.signal: SIGHUP
health.checks.http.http.url: http://ann:xxxxx@x/
health.checks.http.http.headers.Authorization: (set)
health.checks.http.http.status: 200-299
health.checks.http.interval: 10s
health.checks.http.unhealthy_threshold: 3
health.checks.http.healthy_threshold: 1
health.checks.http.on_unhealthy: signal SIGUSR1
readiness.notify: true
readiness.timeout: 1m
depends_on.db: healthy, restart
requires: pg redis
`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
