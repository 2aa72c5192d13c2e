//go:build race

package main

// underRace reports whether this is built for the race detector.
const underRace = true
