package procman

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gosup/spec"
)

// limit sets what a run's cgroup may use. A run that cannot be limited as it
// should be must not start.
func (g *cgroups) limit(name string, l spec.Cgroup) error {
	if name == "" {
		return &cgroupError{fmt.Errorf("%w (limits need a cgroup v2 that is delegated to gosup)", g.reason())}
	}
	g.spend(name) // no later run is to have these limits
	for _, s := range cgroupSettings(l) {
		controller, _, _ := strings.Cut(s.file, ".")
		if err := g.enable(controller); err != nil {
			return &cgroupError{fmt.Errorf("%s: %w (have the controllers delegated to gosup, as with systemd's Delegate=yes, or remove the limit)",
				s.key, err)}
		}
		if err := writeFile(filepath.Join(g.root, name, s.file), s.value); err != nil {
			return &cgroupError{fmt.Errorf("set %s to %s: %w", s.key, s.value, err)}
		}
	}
	return nil
}

// reason returns why there are no cgroups.
func (g *cgroups) reason() error {
	if g.why != nil {
		return g.why
	}
	return errNoCgroups
}

// cgroupSetting is a file of a cgroup and what is to be in it.
type cgroupSetting struct{ key, file, value string }

// cgroupSettings returns what limits a cgroup.
func cgroupSettings(l spec.Cgroup) (all []cgroupSetting) {
	const periodMicros = 100_000 // the kernel's own default
	if l.MemoryMaxBytes > 0 {
		all = append(all, cgroupSetting{"memory_max", "memory.max", strconv.FormatInt(l.MemoryMaxBytes, 10)})
	}
	if l.CPUMax > 0 {
		quota := max(int64(math.Round(l.CPUMax*periodMicros)), 1000) // the least that the kernel takes
		all = append(all, cgroupSetting{"cpu_max", "cpu.max", fmt.Sprintf("%d %d", quota, periodMicros)})
	}
	if l.PidsMax > 0 {
		all = append(all, cgroupSetting{"pids_max", "pids.max", strconv.Itoa(l.PidsMax)})
	}
	return all
}

// enable lets a controller limit the cgroups of runs: it has to be on in the
// cgroup that gosup was started in, and in that of the runs.
func (g *cgroups) enable(controller string) error {
	if g.on[controller] {
		return nil
	}
	above := filepath.Dir(g.root)
	text, err := os.ReadFile(filepath.Join(above, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("look for the controller %s: %w", controller, err)
	}
	if !slices.Contains(strings.Fields(string(text)), controller) {
		return fmt.Errorf("the controller %s is not there for gosup in %s", controller, above)
	}
	for _, dir := range []string{above, g.root} {
		if err := g.enableIn(dir, controller); err != nil {
			return fmt.Errorf("enable the controller %s in %s: %w", controller, dir, err)
		}
	}
	g.on[controller] = true
	return nil
}

// enableIn enables a controller for what is below a cgroup. The kernel refuses
// that where processes are in it: then gosup goes to a leaf of its own.
func (g *cgroups) enableIn(dir, controller string) error {
	file := filepath.Join(dir, "cgroup.subtree_control")
	err := writeFile(file, "+"+controller)
	if !errors.Is(err, unix.EBUSY) || g.leaf != "" {
		return err
	}
	leaf := g.root + leafSuffix
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := writeFile(filepath.Join(leaf, "cgroup.procs"), strconv.Itoa(os.Getpid())); err != nil {
		_ = unix.Rmdir(leaf)
		return err
	}
	g.leaf = leaf
	return writeFile(file, "+"+controller)
}

// moveBack leaves the cgroup that gosup was started in as it was, as far as
// the kernel lets it.
func (g *cgroups) moveBack() {
	if g.leaf == "" {
		return
	}
	above := filepath.Dir(g.root)
	for controller := range g.on {
		_ = writeFile(filepath.Join(above, "cgroup.subtree_control"), "-"+controller)
	}
	if writeFile(filepath.Join(above, "cgroup.procs"), strconv.Itoa(os.Getpid())) == nil {
		_ = unix.Rmdir(g.leaf)
	}
}

// leafSuffix ends the name of the cgroup that gosup itself goes to.
const leafSuffix = ".daemon"

// aboveLeaf returns the cgroup that gosup was started in, also for one that
// has gone to its leaf and then replaced itself.
func aboveLeaf(path string) string {
	if base := filepath.Base(path); strings.HasPrefix(base, "gosup.") && strings.HasSuffix(base, leafSuffix) {
		return filepath.Dir(path)
	}
	return path
}
