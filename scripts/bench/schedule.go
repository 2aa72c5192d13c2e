//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// slow is what a peer may spend on a case before it is left out of the further
// rounds: more seconds of it say nothing new, and all have to be waited for.
const slow = 4 * time.Second

// plan is a case with the tools that are still measured in it.
type plan struct {
	kase
	able  []*tool
	spent map[*tool]time.Duration
}

// runAll measures everything once, then everything once more, and so on: what
// else the machine does then hits all cases and tools alike, and there is a
// whole table whenever the time is over.
func (b *bench) runAll(jobs []job) {
	var plans []*plan
	for _, j := range jobs {
		for _, k := range j.cases(b) {
			able := slices.DeleteFunc(slices.Clone(b.tools), func(t *tool) bool { return !k.can(t) })
			plans = append(plans, &plan{k, able, map[*tool]time.Duration{}})
		}
	}
	rounds := b.rounds
	if b.quick {
		rounds = 1
	}
	began := time.Now()
	for round := range rounds {
		for _, p := range plans {
			if round > 0 && time.Since(began) > b.time {
				fmt.Fprintf(b.log, "the time is over in round %d\n", round+1)
				return
			}
			b.runPlan(p, round)
		}
	}
}

// runPlan measures each tool once, each round beginning with another one. A
// tool that failed is left out from then on, and a peer that is slow.
func (b *bench) runPlan(p *plan, round int) {
	able := slices.Clone(p.able)
	for i := range able {
		t := able[(i+round)%len(able)]
		if b.ctx.Err() != nil {
			return
		}
		fmt.Fprintf(b.log, "%s: %s, round %d\n", p.name, t.name, round+1)
		began := time.Now()
		err := p.run(b, t)
		err = errors.Join(err, b.sweep())
		failed := err != nil && b.ctx.Err() == nil
		if failed {
			b.fail(p.name, t.name, err)
		}
		if p.spent[t] += time.Since(began); failed || p.once || p.spent[t] >= slow && !t.compared() {
			p.able = slices.DeleteFunc(p.able, func(other *tool) bool { return other == t })
		}
	}
}
