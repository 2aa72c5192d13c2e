// Package procman is the shell around the tree: it joins the decisions to the
// operating system.
//
//	signals, ctl ──▶ ┌───────┐ ──▶ tree.Step ──▶ effects
//	                 │ inbox │                      │
//	        ┌──────▶ └───────┘          Start ┌─────┴─────┐ Signal
//	        │                                 ▼           │
//	        │ Started, StartFailed      ┌───────────┐     │
//	        ├────────────────────────── │ outfitter │     │
//	        │ Exited (output drained)   └─────┬─────┘     │
//	        │                          launch ▼           ▼
//	        │                           ┌──────────────────┐
//	        └────────────────────────── │ hand: fork, kill,│──▶ processes
//	                                    │ reap             │
//	                                    └──────────────────┘
//
// The Manager is the one entry point. Its loop (loop.go) owns the tree: it
// never blocks and holds no opinion. The outfitter (outfitter.go) does what a
// run needs and a disk may delay: environment, folders, FIFOs. The hand
// (hand.go) alone forks, signals and reaps, on one locked thread. Readers take
// the latest snapshot from an atomic pointer (watch.go).
//
// There is no decision in here about restarts: who restarts, when and how
// often is package tree's.
package procman
