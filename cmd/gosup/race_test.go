//go:build race

package main

// raced says that tests run under the race detector, many times slower.
const raced = true
