package config

import (
	"strings"

	"gopkg.in/yaml.v3"

	"gosup/spec"
)

// Setting is one key of a process that does not come from a file.
type Setting struct {
	Path   string // below the process, such as restart.max_restarts
	Value  string // as it would stand in a file, without quotes
	Origin string // such as --max-restarts; the File of a problem with it
}

// Command returns the tree of `gosup run -- CMD`: one process with the given
// words, in the working directory, with the settings over the defaults of a
// configuration file.
func Command(name string, argv []string, settings []Setting, opt Options) (*spec.Tree, Problems) {
	r := newReader(opt)
	here := &source{dir: workingDir()}
	b := &builder{r: r, names: map[string]place{}, files: map[string]string{}, addresses: map[string]string{}}
	b.sup = r.supervisor(nil, here)
	process := defaultProcess()
	d := &process
	d.command = command{words: argv, list: true, at: place{src: here}}
	for _, s := range settings {
		n := r.setting("", s.Value, s.Origin)
		keys := strings.Split(s.Path, ".")
		for i := len(keys) - 1; i >= 0; i-- {
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: keys[i]}
			n.y = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, n.y}}
		}
		r.tables.process.read(r, n, d, d.at)
	}
	p := pair{key: name, at: place{src: here}, value: node{y: &yaml.Node{Kind: yaml.MappingNode}}}
	made := b.spec(name, d, p)
	if r.failed() {
		return nil, r.problems()
	}
	t := &spec.Tree{Supervisor: b.sup}
	t.Root.Members = []spec.Member{{Process: made}}
	return t, r.problems()
}

// DefaultProcess returns a process with the default of every key, in the
// working directory.
func DefaultProcess(name string, argv []string, sup spec.Supervisor) spec.Process {
	d := defaultProcess()
	out := spec.Process{
		Name: name, Argv: argv, Autostart: d.autostart, Dir: workingDir(),
		Restart: d.restart.spec(), Stop: d.stop.spec(), Logs: d.logs.Logs,
	}
	out.Logs.File = logFile(sup, name)
	return out
}
