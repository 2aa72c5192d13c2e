package tree

// part is a member of the root with all below it. Parts have nothing to do with
// each other but for dependencies, shutdowns, reloads and what people ask for;
// the passes have nothing to add where they have been and nothing is new. So a
// part sleeps until an event or a deadline of its own, and the cost of a Step
// is that of the parts that it concerns. Check runs the passes over all of the
// tree, to see that the sleepers missed nothing.
type part struct {
	lo, hi int32 // its nodes
	next   Time  // when something in it is due
	tied   bool  // something in it depends on others, or others on it
	news   bool  // something in it is new
	awake  bool  // the passes under way visit it
}

// divide finds the parts of the tree anew. All of them are awake.
func (t *Tree) divide() {
	t.parts = t.parts[:0]
	for i := int32(1); i < int32(len(t.nodes)); i = t.nodes[i].end {
		p := part{lo: i, hi: t.nodes[i].end, news: true}
		for j := p.lo; j < p.hi; j++ {
			n := &t.nodes[j]
			n.part = int32(len(t.parts))
			p.tied = p.tied || len(n.depends)+len(n.dependents)+len(n.requires) > 0
		}
		t.parts = append(t.parts, p)
	}
}

// wake finds the parts that the passes have to visit.
func (t *Tree) wake() {
	all := t.stir || t.shutdown || t.removed || t.breakersTouched || t.settings.ParallelStarts > 0
	t.stir = false
	for k := range t.parts {
		p := &t.parts[k]
		p.awake = all || p.news || p.tied || t.now >= p.next
		p.news = false
	}
}
