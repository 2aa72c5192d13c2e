// Package tree is the supervisor's mind: a deterministic state machine that
// is told what happened and when, and says what to do.
package tree
