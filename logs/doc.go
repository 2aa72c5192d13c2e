// Package logs owns the output of the processes: the FIFOs that they write
// into, the pump that empties them, framing, rotation, and reading back.
//
// It must never know of states, restarts or budgets, and an error of a log
// never reaches a child or the supervision tree: the reader of a stream stays
// open whatever its destinations say.
//
// The entry point is [Pump]. There is one for the daemon; [Pump.Open] gives a
// [Sink] for each process, for as long as that process is defined:
//
//	process ─ stdout ┐                          ┌─ file, rotated, compressed
//	process ─ stderr ┴─ FIFO ── workers of the ─┼─ console
//	                            pump, by epoll  └─ tail (last 8 KiB)
//
// The child holds its FIFO open for reading and writing, so it feels nothing
// when the daemon dies, and the next daemon opens the same FIFO and reads on.
// The daemon looks at what is in a FIFO with tee(2), writes it to the file,
// and only then takes it out. Bytes are therefore always in the FIFO, in the
// file, or (for an instant) in both, never in the daemon's
// memory alone, and a note in the runtime folder tells a next daemon which: see
// ledger.
//
// What is on disk, for a log FILE:
//
//	FILE                the live file
//	FILE.1 … FILE.N     rotated ones, the newest first; .gz or .zst behind
//	                    the number once they are compressed
//	FILE.idx, FILE.1.idx …   when the bytes of a raw file were written
//	FILE.compressing    a rotated file that is being compressed
//
// Raw files have the bytes as they were written. A line of text is
// "2006-01-02T15:04:05.000000Z stdout the line", a line of JSON
// {"time":…,"process":…,"stream":…,"line":…}, with the exact bytes as base64 in
// "bytes" where they are not UTF-8. Lines of more than 64 KiB are in pieces, of
// which all but the last are marked: "stdout+", "partial":true. Where output is
// lost, the file says so in a line of gosup's own, of stream "gosup".
//
// Goroutines: the pump has its own workers, blocked in epoll_wait while there
// is nothing to do. The methods of Sink may be called from any goroutine.
// Those that say so may wait for a disk; the others never do.
package logs
