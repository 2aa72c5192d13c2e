// Package tree is the supervisor's mind: a deterministic state machine that
// is told what happened and when, and says what to do.
//
//	          events (Exited, Asked …), now
//	                    │
//	┌───────────────────▼───────────────────┐
//	│ record   each event, at its own node  │
//	│ decide   forward:  who must go down   │
//	│ descend  backward: sums, clocks, stops│
//	│ ascend   forward:  starts, states     │
//	└───────────────────┬───────────────────┘
//	                    ▼
//	        effects (Start, Signal …), Next
//
// All nodes lie in one slice in preorder, a group before its members, so a
// backward pass sums members into groups and a forward pass hands permission
// down. Failures only mark: a restart marks nodes that must be down once
// before they may start again (cycle), a spent budget marks a subtree as
// failed and charges the parent. What follows, in which order, is a rule of
// the passes. So a restart that is overtaken by a stop, a reload or a shutdown
// needs no code to cancel it: the marks change, and the next pass acts on them.
// The passes leave out the parts of the tree in which nothing can have changed,
// see part.
//
// There is no goroutine, channel, lock, clock, system call or log in it. Time
// comes in with the events; a deadline is a field of a node, and Next is the
// one time at which Step is due without an event. The same tree runs in the
// daemon, in gosup simulate and in package sim, which tests it.
//
// A Tree is not safe for concurrent use: the supervisor's loop owns it. The
// *Node values that View returns are immutable and may be read anywhere.
package tree
