// Package control is how people and programs talk to a running gosup: the
// types of the API, the server that answers on a unix socket and, where that is
// wanted, on a TCP address, and the client that gosup ctl uses.
//
// It keeps no state of its own. What it knows of the processes is in the
// snapshots that it is given; it reads them without a lock, and what it wants
// done it asks for. It waits by watching snapshots change. So a client,
// however slow or hostile, has nothing to hold on to in the supervision.
//
//	accept ── gate ── http.Server ── route table ── handler ── Supervisor
//	          (who,                  (method, path,            (snapshots,
//	           how many)              access)                   wishes)
//
// The entry points are Listen and NewServer for the daemon and NewClient for
// clients. The server's goroutines are its own; it calls the Supervisor from
// any number of them at once.
package control
