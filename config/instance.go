package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"gosup/policy"
	"gosup/spec"
)

const (
	maxInstances = 10_000
	// maxValues is what all processes with their environments may come to, and
	// what is read once more for each instance: some 100 MB.
	maxValues    = 2_000_000
	processValue = 40 // of one process, beside its environment
	readValue    = 3  // of one that is read once more
)

// ground is what holds for every process that does not say otherwise, as one
// instance sees it.
type ground struct {
	base   process
	varies bool // from instance to instance
}

// ground returns what lies below the processes of a file, for an instance.
func (b *builder) ground(instance int) *ground {
	if first := b.grounds[1]; first != nil && !first.varies {
		instance = 1
	}
	r := b.r
	r.instance, r.varies = strconv.Itoa(instance), false
	g := b.grounds[instance]
	if g == nil {
		g = &ground{base: defaultProcess()}
		if b.file.defaults != nil {
			r.tables.process.read(r, *b.file.defaults, &g.base, g.base.at)
		}
		if b.file.envFiles != nil {
			files, _ := r.envFileList(*b.file.envFiles)
			g.base.fileEnv = r.variables(files)
		}
		if b.file.env != nil {
			g.base.fileEnv = r.env(*b.file.env, g.base.fileEnv)
		}
		g.varies = r.varies
		b.grounds[instance] = g
	}
	r.instance, r.varies = "", g.varies
	return g
}

// draft reads a process, as an instance sees it.
func (b *builder) draft(p pair, instance int) process {
	d := b.ground(instance).base.clone()
	b.r.instance = strconv.Itoa(instance)
	b.r.tables.process.read(b.r, p.value, &d, d.at)
	return d
}

// process makes a process, or all of its instances.
func (b *builder) process(name, prefix string, p pair, strategy policy.Strategy) []*spec.Process {
	if b.spent > maxValues {
		return nil
	}
	d := b.draft(p, 1)
	count := d.instances
	if b.r.opt.Instances != nil {
		count = max(1, min(b.r.opt.Instances(name, d.instances), maxInstances))
	}
	// Of what has had several, one keeps its name.
	several := max(count, d.instances) > 1
	var out []*spec.Process
	for i := 1; i <= count; i++ {
		cost := 0
		if i > 1 && b.r.varies {
			cost = readValue * weight(p.value.y)
			d = b.draft(p, i)
			b.r.varies = true
		}
		full := name
		if several {
			full += "@" + strconv.Itoa(i)
		}
		one := b.one(full, prefix, &d, p, strategy)
		if !b.spend(p.at, processValue+cost+len(one.Env)) {
			break
		}
		out = append(out, one)
	}
	b.r.instance = ""
	return out
}

// instanceOf returns what a process is an instance of: its name, but for the
// number.
func instanceOf(name string) string {
	base, _, _ := strings.Cut(name, "@")
	return base
}

// spend counts the values of a tree, and reports whether they are not too many.
func (b *builder) spend(at place, values int) bool {
	if b.spent += values; b.spent > maxValues {
		b.r.problem(at, fmt.Sprintf("makes the processes with their environments come to more than %d values", maxValues),
			"name fewer instances, or share less")
		return false
	}
	return true
}

// weight returns how many values there are in one.
func weight(y *yaml.Node) int {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	sum := 1
	for _, c := range y.Content {
		sum += weight(c)
	}
	return sum
}
