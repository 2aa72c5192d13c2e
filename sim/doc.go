// Package sim is a world for the supervision tree to live in: processes that
// start, run, crash, hang and leave children behind, on a clock that jumps
// from one event to the next. The tree in it is the real one, package tree,
// so what happens here is what would happen.
//
// A World owns its Tree and plays the shell: it answers each Start, ends runs
// that are signalled, and lets time pass. It keeps the promises that the
// events state, and checks that the tree keeps its own: it panics where the
// tree starts a second copy of a process, signals what is not there, notes an
// end twice or not at all, or leaves a wish unanswered.
//
// gosup simulate and gosup test are built on it, and so are the tests of
// package tree. Everything is deterministic: the same calls give the same
// world. Nothing in it is safe for concurrent use.
package sim
