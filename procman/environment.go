package procman

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// environment makes the environment of runs.
type environment struct {
	inherited []string // without GOSUP_*
	path      string   // PATH=… of those
	id        string   // of this supervisor, in GOSUP_RUN
}

func newEnvironment(opt Options) environment {
	var e environment
	for _, kv := range opt.Environ {
		switch {
		case strings.HasPrefix(kv, "GOSUP_"), strings.HasPrefix(kv, "NOTIFY_SOCKET="),
			strings.HasPrefix(kv, "LISTEN_"), strings.HasPrefix(kv, "WATCHDOG_"):
			// What a supervisor above told gosup is not for those below.
		default:
			e.inherited = append(e.inherited, kv)
		}
		if strings.HasPrefix(kv, "PATH=") {
			e.path = kv
		}
	}
	e.id = supervisorID(opt.Tree.Supervisor.RuntimeDir, opt.Past.supervisor())
	return e
}

// supervisorID returns the identity of the supervisor of a runtime folder. It
// is kept there, so that the next daemon knows the processes of this one; where
// it is lost, the saved state has it. A folder that cannot be written gives an
// identity for this daemon alone.
func supervisorID(dir, kept string) string {
	fresh := make([]byte, 8)
	rand.Read(fresh) // never fails: crypto/rand
	id := hex.EncodeToString(fresh)
	if _, err := hex.DecodeString(kept); err == nil && len(kept) == len(id) {
		id = kept
	}
	if dir == "" {
		return id
	}
	file := filepath.Join(dir, "id")
	if kept, err := os.ReadFile(file); err == nil {
		if _, err := hex.DecodeString(string(kept)); err == nil && len(kept) == len(id) {
			return string(kept)
		}
	}
	_ = os.WriteFile(file, []byte(id), 0o600)
	return id
}

// tag returns the value of GOSUP_RUN, which tells the descendants of a run.
func (v environment) tag(p *spec.Process, run uint64) string {
	return runTag{supervisor: v.id, name: p.Name, run: run}.String()
}

// of returns the whole environment of a run. A later entry of a name wins.
func (v environment) of(p *spec.Process, e tree.Start, tag, stateDir string) []string {
	env := make([]string, 0, len(v.inherited)+len(p.Env)+6)
	if !p.CleanEnv {
		env = append(env, v.inherited...)
	} else if v.path != "" {
		env = append(env, v.path)
	}
	if u := p.Rights.User; u != nil {
		env = append(env, userVariables(u)...)
	}
	env = append(env, p.Env...)
	_, instance, several := strings.Cut(p.Name, "@")
	if !several {
		instance = "1" // as in the strings of the file: it stays so when others join
	}
	env = append(env,
		"GOSUP_PROCESS="+p.Name,
		"GOSUP_INSTANCE="+instance,
		"GOSUP_RUN="+tag,
		"GOSUP_RESTART_COUNT="+strconv.Itoa(e.Restarts),
	)
	if stateDir != "" {
		env = append(env, "STATE_DIRECTORY="+stateDir)
	}
	return env
}

// userVariables tells a process who it is, as login(1) does.
func userVariables(u *spec.User) (vars []string) {
	for _, v := range [...]struct{ name, value string }{
		{"HOME", u.Home}, {"USER", u.Name}, {"LOGNAME", u.Name}, {"SHELL", u.Shell},
	} {
		if v.value != "" {
			vars = append(vars, v.name+"="+v.value)
		}
	}
	return vars
}

// stateDir makes the folder that a process keeps its state in, and returns it.
// Where it cannot be made, the process runs without: "".
func (o *outfitter) stateDir(p *spec.Process) string {
	root := o.m.opt.Tree.Supervisor.StateDir
	if root == "" {
		return ""
	}
	dir := filepath.Join(root, "processes", filepath.FromSlash(p.Name))
	if err := makePrivate(dir, p.Rights.User); err != nil {
		if !o.noState {
			o.noState = true
			o.m.log.Warn("no state folder: processes run without STATE_DIRECTORY", slog.Any("err", err))
		}
		return ""
	}
	return dir
}

// makePrivate makes a folder that only u can enter, nil for gosup's own user.
// Those above it everybody can pass.
func makePrivate(dir string, u *spec.User) error {
	info, err := os.Lstat(dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("make %s: it is there and no folder", dir)
	case err != nil:
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
				return err
			}
			err = os.Mkdir(dir, 0o700)
		}
		if err != nil || u == nil {
			return err
		}
		if info, err = os.Lstat(dir); err != nil {
			return err
		}
	}
	if u == nil || ownerOf(info) == (logs.Owner{UID: int(u.UID), GID: int(u.GID)}) {
		return nil
	}
	return os.Lchown(dir, int(u.UID), int(u.GID))
}

// owner returns as whom a process runs.
func owner(p *spec.Process) logs.Owner {
	if u := p.Rights.User; u != nil {
		return logs.Owner{UID: int(u.UID), GID: int(u.GID)}
	}
	return logs.Owner{UID: os.Getuid(), GID: os.Getgid()}
}

// ownerOf returns to whom a file belongs.
func ownerOf(info fs.FileInfo) logs.Owner {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return logs.Owner{UID: int(st.Uid), GID: int(st.Gid)}
	}
	return logs.Owner{UID: -1, GID: -1}
}
