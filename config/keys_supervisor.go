package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gosup/spec"
)

// supervisor is the daemon's settings while they are read.
type supervisor struct {
	spec.Supervisor
	at    places
	tlsAt places
}

func supervisorTable() table[supervisor] {
	levels, formats := []string{"debug", "info", "warn", "error"}, []string{"text", "json"}
	return table[supervisor]{
		name: "supervisor",
		doc: "The daemon's own settings. Each key is also a flag of `gosup run` (`--state-dir`) and an environment" +
			" variable (`GOSUP_STATE_DIR`); the flag wins over the variable, the variable over the file.",
		keys: []key[supervisor]{
			{
				name: "name", kind: stringKind("name"), def: "default",
				doc: "The name of this supervisor, to tell several on one machine apart.",
				set: func(r *reader, n node, to *supervisor) {
					if v, ok := r.name(n); ok {
						to.Name = v
					}
				},
			},
			pathKey("runtime_dir", "/run/gosup for a file under /etc and for no file, else .gosup/run beside the file",
				"The folder of sockets and FIFOs.",
				func(s *supervisor) *string { return &s.RuntimeDir }),
			pathKey("state_dir", "/var/lib/gosup for a file under /etc and for no file, else .gosup/state beside the file",
				"The folder of what outlives the daemon.",
				func(s *supervisor) *string { return &s.StateDir }),
			pathKey("log_dir", "/var/log/gosup for a file under /etc and for no file, else .gosup/log beside the file",
				"The folder of the processes' output.",
				func(s *supervisor) *string { return &s.LogDir }),
			pathKey("socket", "<runtime_dir>/gosup.sock",
				"The unix socket on which `gosup ctl` is answered.",
				func(s *supervisor) *string { return &s.Socket }),
			{
				name: "socket_mode", kind: modeKind(), def: "0600",
				doc: "The permissions of the socket, in octal.",
				set: func(r *reader, n node, to *supervisor) {
					if v, ok := r.mode(n, "0600"); ok {
						to.SocketMode = v
					}
				},
			},
			stringKey("socket_group", "", "The group that owns the socket and whose members may use it.",
				func(s *supervisor) *string { return &s.SocketGroup }),
			listenKey(),
			{
				name: "tls", kind: mappingKind("tls"), aka: []string{"https", "ssl"},
				doc: "How `listen` is encrypted.",
				set: func(r *reader, n node, to *supervisor) { r.tables.tls.read(r, n, &to.TLS, to.tlsAt) },
			},
			optionalPathKey("tokens_file", "The file of those who may use the API on `listen`, one token a line, of mode 0600."+
				" The API is served there only with this and `tls`.",
				func(s *supervisor) *string { return &s.TokensFile }),
			choiceKey("log_level", "info", "From which level on gosup writes its own log, to stderr.", levels,
				func(s *supervisor, i int) { s.LogLevel = levels[i] }),
			choiceKey("log_format", "text", "How gosup writes its own log.", formats,
				func(s *supervisor, i int) { s.LogFormat = formats[i] }),
			durationKey("shutdown_timeout", "30s", "How long the whole shutdown may take; what is left then is killed.",
				func(s *supervisor) *time.Duration { return &s.ShutdownTimeout }),
			choiceKey("exit_on", "never", "When gosup ends by itself: `never`; `all_done`: when every process is exited, failed or stopped,"+
				" with code 0 if none is failed, else 1; `any_failed`: when one is failed, with code 1.",
				spec.ExitOnNames(), func(s *supervisor, i int) { s.ExitOn = spec.ExitOn(i) }),
			intKey("parallel_starts", "0", "How many processes may be starting at one time. 0: no limit.", 0, 1_000_000,
				func(s *supervisor) *int { return &s.ParallelStarts }),
			boolKey("watch_config", "false", "Reload when the file, one that it includes or an env file changes.",
				func(s *supervisor) *bool { return &s.WatchConfig }),
		},
	}
}

func modeKind() kind {
	return kind{text: "octal permissions", schema: orExpanded(&subschema{AnyOf: []*subschema{
		{Type: types{"string"}, Pattern: "^(0o)?[0-7]{1,4}$"}, {Type: types{"integer"}},
	}})}
}

// mode returns permission bits, such as an example. 600 and 0600 without quotes mean what chmod
// makes of them, whatever number YAML sees there.
func (r *reader) mode(n node, such string) (uint32, bool) {
	f := form{"permissions in octal", "such as " + strconv.Quote(such)}
	s, ok := r.scalar(n, f)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(s.text, "0o"), 8, 32)
	if err != nil || v > 0o777 {
		r.wrong(n, f)
		return 0, false
	}
	return uint32(v), true
}

// path returns an absolute path; a relative one begins at the folder of the
// file that it stands in.
func (r *reader) path(n node) (string, bool) {
	s, ok := r.str(n, form{"a path", "remove the key for the default"})
	if ok && s == "" {
		r.problem(n.at, "is empty and should be a path", "remove the key for the default")
		return "", false
	}
	return absolute(n.at.src.dir, s), ok
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// supervisor returns the settings of the mapping n (which may be missing),
// overlaid by those of the command line.
func (r *reader) supervisor(n *node, main *source) spec.Supervisor {
	s := supervisor{
		Supervisor: spec.Supervisor{
			Name: "default", SocketMode: 0o600,
			LogLevel: "info", LogFormat: "text", ShutdownTimeout: 30 * time.Second,
		},
		at: places{}, tlsAt: places{},
	}
	if n != nil {
		r.tables.supervisor.read(r, *n, &s, s.at)
	}
	if r.opt.Settings != nil {
		r.tables.supervisor.overlay(r, "", &s, s.at)
		r.tables.tls.overlay(r, "tls.", &s.TLS, s.tlsAt)
	}
	s.locate(main)
	r.checkSocket(&s, main)
	r.checkListen(&s)
	return s.Supervisor
}

// overlay sets in to what the command line and the environment say of the keys
// of a table that has no mappings of its own, whose names there begin with
// prefix.
func (t *table[T]) overlay(r *reader, prefix string, to *T, at places) {
	for _, k := range t.keys {
		if value, origin, ok := r.opt.Settings(prefix + k.name); ok && k.kind.ref == "" {
			set := r.setting("supervisor."+prefix+k.name, value, origin)
			at[k.name] = set.at
			k.set(r, set, to)
		}
	}
}

// locate fills in the folders that nobody has named.
func (s *supervisor) locate(main *source) {
	run, state, log := "/run/gosup", "/var/lib/gosup", "/var/log/gosup"
	if main != nil && main.name != "" && !strings.HasPrefix(main.dir+"/", "/etc/") {
		run, state, log = main.dir+"/.gosup/run", main.dir+"/.gosup/state", main.dir+"/.gosup/log"
	}
	set := func(field *string, def string) {
		if *field == "" {
			*field = filepath.Clean(def)
		}
	}
	set(&s.RuntimeDir, run)
	set(&s.StateDir, state)
	set(&s.LogDir, log)
	set(&s.Socket, s.RuntimeDir+"/gosup.sock")
}

// checkSocket refuses a path that does not fit in a sockaddr_un (unix(7)).
func (r *reader) checkSocket(s *supervisor, main *source) {
	most := len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(s.Socket) <= most {
		return
	}
	at, ok := s.at["socket"]
	if !ok {
		at, ok = s.at["runtime_dir"]
	}
	if !ok {
		at = place{src: main, line: 1, col: 1, path: "supervisor.socket"}
	}
	r.problem(at, "makes the path of the socket "+strconv.Itoa(len(s.Socket))+" bytes long, and a unix socket's may have "+
		strconv.Itoa(most), "set supervisor.runtime_dir or supervisor.socket to a shorter path, such as /tmp/gosup/gosup.sock")
}

// SupervisorKey is a key of `supervisor:`, for those who offer it elsewhere:
// as a flag or an environment variable.
type SupervisorKey struct {
	Name    string // "state_dir", "tls.cert"
	Type    string // in words
	Default string // in words; "" for none
	Doc     string // a sentence or two
}

// SupervisorKeys returns the keys of `supervisor:` in the order of the
// reference, those of a mapping in it one by one.
func SupervisorKeys() []SupervisorKey {
	// The other tables are not needed for this, and each command line pays for
	// what is made here.
	t := &tables{supervisor: supervisorTable(), tls: tlsTable()}
	var out []SupervisorKey
	add := func(prefix string, f field) {
		out = append(out, SupervisorKey{Name: prefix + f.name, Type: f.kind.text, Default: f.def, Doc: f.doc})
	}
	for _, f := range t.supervisor.fields() {
		if f.kind.ref == "" {
			add("", f)
			continue
		}
		for _, inner := range t.fields(f.kind.ref) {
			add(f.name+".", inner)
		}
	}
	return out
}

// Supervisor returns the daemon's settings where there is no file: the
// defaults, overlaid by opt.Settings.
func Supervisor(opt Options) (spec.Supervisor, Problems) {
	r := newReader(opt)
	s := r.supervisor(nil, &source{dir: workingDir()})
	if r.failed() {
		return spec.Supervisor{}, r.problems()
	}
	return s, r.problems()
}

// workingDir returns the folder that relative paths of the command line mean.
func workingDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return "/" // it was removed: nothing is relative to it any more
	}
	return dir
}
