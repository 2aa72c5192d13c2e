//go:build race

package logs

// raced says that tests run under the race detector, many times slower.
const raced = true
