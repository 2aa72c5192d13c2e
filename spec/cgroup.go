package spec

// Cgroup is what a run's own cgroup may use, see cgroups(7) on version 2. A
// field of 0 limits nothing.
type Cgroup struct {
	MemoryMaxBytes int64
	CPUMax         float64 // in CPUs: 1.5 is one and a half
	PidsMax        int     // processes and threads
}
