package sim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gosup/policy"
	"gosup/spec"
)

// Advice is something that simulation shows to be unwise.
type Advice struct {
	Name  string // full name of a process or group
	Group bool
	What  string
	Hint  string
}

// herd is from how many equal ones on delays without jitter are worth a word.
const herd = 10

// Advise looks at a configuration for what is legal and unwise: loops without
// end or pause, limits that are never reached, and herds that restart at the
// same moment.
func Advise(s *spec.Tree) []Advice {
	var out []Advice
	adviseGroup(s, &s.Root, &out)
	return append(out, herds(s)...)
}

func adviseGroup(s *spec.Tree, g *spec.Group, out *[]Advice) {
	told := false
	var played []verdict
	for _, m := range g.Members {
		switch {
		case m.Group != nil:
			adviseGroup(s, m.Group, out)
		case m.Process.Restart.Policy == policy.Not:
		case !g.Strategy.Ordered():
			// Members with the same settings have the same fate: it is played once.
			at := slices.IndexFunc(played, func(v verdict) bool { return v.like(m.Process) })
			if at < 0 {
				a, ok := adviseProcess(s, m.Process.Name)
				at, played = len(played), append(played, verdict{m.Process, a, ok})
			}
			if v := played[at]; v.unwise {
				v.advice.Name = m.Process.Name
				*out = append(*out, v.advice)
			}
		case !told:
			// All its members go by the group's settings: one word will do.
			if a, ok := adviseProcess(s, m.Process.Name); ok {
				a.Name, a.Group, told = g.Name, true, true
				*out = append(*out, a)
			}
		}
	}
}

// verdict is what was said of a process.
type verdict struct {
	of     *spec.Process
	advice Advice
	unwise bool
}

// like reports whether another process that crashes at once is restarted in the
// same way.
func (v *verdict) like(p *spec.Process) bool {
	q := v.of
	return q.Autostart == p.Autostart && q.Essential == p.Essential && reflect.DeepEqual(q.Restart, p.Restart) &&
		reflect.DeepEqual(q.DependsOn, p.DependsOn) && reflect.DeepEqual(q.Requires, p.Requires)
}

// adviseProcess plays what becomes of a process that crashes at once.
func adviseProcess(s *spec.Tree, name string) (Advice, bool) {
	o := Simulate(s, Crash{Process: name, For: 24 * time.Hour})
	every, settles := o.Rate()
	switch {
	case o.Spins:
		return Advice{Name: name, What: "what crashes at once is restarted for ever without a pause",
			Hint: "set max_restarts, or another strategy than immediate"}, true
	case settles && o.Restart != nil && !unlimited(o.Restart.Limit):
		return Advice{Name: name,
			What: fmt.Sprintf("its limit of %d restarts within %s is never reached: what crashes at once settles at one restart every %s",
				o.Restart.Limit.Max, Short(o.Restart.Limit.Within), Short(every)),
			Hint: "use within_clock: running, a longer within, or shorter delays"}, true
	}
	return Advice{}, false
}

// herds finds processes that fail together and restart together: instances of
// one definition, and those that require the same dependency.
func herds(s *spec.Tree) []Advice {
	sizes := map[string]int{}
	var order []string
	add := func(key string) {
		if sizes[key] == 0 {
			order = append(order, key)
		}
		sizes[key]++
	}
	for _, p := range processesOf(spec.Member{Group: &s.Root}) {
		b := p.Restart.Backoff
		if b.Jitter > 0 || b.Curve == policy.Immediate || p.Restart.Policy == policy.Not {
			continue
		}
		if base, _, ok := strings.Cut(p.Name, "@"); ok {
			add(base)
		}
	}
	var out []Advice
	for _, key := range slices.Compact(order) {
		if n := sizes[key]; n >= herd {
			out = append(out, Advice{Name: key, What: fmt.Sprintf("%d instances with equal delays and no jitter restart all at the same moment", n),
				Hint: "set restart.jitter, such as 0.2"})
		}
	}
	return out
}

// Short writes a duration without zero parts: "1m", not "1m0s".
func Short(d time.Duration) string {
	d = d.Round(time.Millisecond)
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
